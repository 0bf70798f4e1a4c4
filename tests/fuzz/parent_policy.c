/* Policies as JSON, a line; visitors on the lines behind it.  What was read must be written, read
 * again as the same, and judge nobody beyond its limits. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parent/policy_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct policy *policy)
{
    struct policy again;
    struct fault fault;
    memset(&again, 0, sizeof again);
    json_t *json = policy_to_json(policy);
    if (!json || policy_from_json(&again, json, &fault) != 0)
        abort();
    json_t *written = policy_to_json(&again);
    if (!json_equal(json, written))
        abort();
    json_decref(written);
    json_decref(json);
}

static void check_visitor(const struct policy *policy, const char *visitor)
{
    struct policy_usage usage = {.connections = 0};
    enum policy_verdict keep = policy_keep(policy, visitor, 1700000000);
    uint64_t tries = policy->max_rate < 50 ? policy->max_rate + 1 : 50, admitted = 0;
    for (uint64_t i = 0; i < tries; i++)
        admitted += policy_admit(policy, &usage, visitor, i, 1700000000) == POLICY_ADMITS;
    if (keep != POLICY_ADMITS && admitted != 0)
        abort();
    if (policy->max_rate != 0 && admitted > policy->max_rate)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy policy;
    struct fault fault = {""};
    memset(&policy, 0, sizeof policy);
    char *text = strndup(size > 0 ? (const char *)data : "", size);
    char *rest = text;
    const char *line = text ? strsep(&rest, "\n") : "";
    json_t *json = json_loads(line, 0, NULL);
    if (json && policy_from_json(&policy, json, &fault) == 0) {
        check_round_trip(&policy);
        for (const char *visitor = rest; visitor; visitor = rest)
            check_visitor(&policy, strsep(&rest, "\n"));
    } else if (json && fault.text[0] == '\0') {
        abort();
    }
    json_decref(json);
    free(text);
    return 0;
}
