/* The parts of `apply`'s document that name a grant, an outbound grant and an operator: a line
 * each. What is read is written, and read again as the same. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parent/document.h"
#include "parent/grants.h"
#include "parent/operators.h"
#include "parent/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key[] = "8443";
static const char target[] = "db.example.net:5432";

static void must(bool fine)
{
    if (!fine)
        abort();
}

static json_t *grant_again(const struct hub *hub, const json_t *json)
{
    struct grant grant;
    struct fault fault = {""};
    if (document_read_grant(hub, key, json, &grant, &fault) == 0)
        return document_grant(hub, &grant);
    must(fault.text[0] != '\0');
    return NULL;
}

static json_t *outbound_again(const struct hub *hub, const json_t *json)
{
    struct outbound_row row;
    struct fault fault = {""};
    (void)hub;
    if (document_read_outbound(target, json, &row, &fault) == 0)
        return document_outbound(&row);
    must(fault.text[0] != '\0');
    return NULL;
}

static json_t *operator_again(const struct hub *hub, const json_t *json)
{
    struct operator_row row = {.id = 0};
    struct fault fault = {""};
    json_t *again = NULL;
    (void)hub;
    if (document_read_operator("alice", json, &row, &fault) == 0)
        again = document_operator(&row);
    else
        must(fault.text[0] != '\0');
    return again;
}

static void check(json_t *(*write_again)(const struct hub *hub, const json_t *json),
                  const struct hub *hub, const json_t *json)
{
    json_t *first = write_again(hub, json);
    json_t *second = first ? write_again(hub, first) : NULL;
    must(!first || (second && json_equal(first, second)));
    json_decref(first);
    json_decref(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char address[] = "127.0.0.1";
    struct hub hub = {.settings = {.forward_address = address}};
    char *text = strndup(size > 0 ? (const char *)data : "", size);
    char *rest = text;
    for (const char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        json_t *json = json_loads(line, 0, NULL);
        if (json) {
            check(grant_again, &hub, json);
            check(outbound_again, &hub, json);
            check(operator_again, &hub, json);
        }
        uint16_t port;
        struct fault fault;
        if (document_read_port(line, &port, &fault) == 0)
            must(port != 0);
        json_decref(json);
    }
    free(text);
    return 0;
}
