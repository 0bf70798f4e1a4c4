/* The table of warnings, and the verdict.  Nothing is measured here. */
#define _GNU_SOURCE
#include "parent/health_rules.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define WORKER_BASE    (256 * MIB)
#define WORKER_SESSION (1 * MIB)
#define WORKER_STREAM  (1 * MIB)

enum unit { UNIT_COUNT, UNIT_BYTES, UNIT_LEFT, UNIT_LOST };

static const struct {
    const char *name, *label;
    enum unit unit;
    unsigned raise_percent, over_percent; /* raised from the one on, over below the other */
    const char *advice;
} rules[HEALTH_RULES] = {
    [HEALTH_DESCRIPTORS] = {"descriptors", "open descriptors", UNIT_COUNT, 80, 70,
                            "raise LimitNOFILE of the service"},
    [HEALTH_WORKER_MEMORY] = {"worker_memory", "memory", UNIT_BYTES, 100, 90,
                              "more than its sessions explain; when it ends, they return by "
                              "themselves"},
    [HEALTH_MEMORY] = {"memory", "memory of all processes", UNIT_BYTES, 80, 70,
                       "give the hub more memory or fewer sessions"},
    [HEALTH_SESSIONS] = {"sessions", "sessions", UNIT_COUNT, 80, 70, "raise max_sessions"},
    [HEALTH_CONNECTIONS] = {"connections", "connections", UNIT_COUNT, 80, 70,
                            "raise max_connections"},
    [HEALTH_LOGINS] = {"logins", "logins under way", UNIT_COUNT, 80, 70,
                       "raise max_logins, or see who floods"},
    [HEALTH_DISK] = {"disk", "room in the state directory", UNIT_LEFT, 80, 70,
                     "make room: without it no keyfile, grant or event is kept"},
    [HEALTH_EVENTS] = {"events", "events that could not be kept", UNIT_LOST, 100, 100,
                       "tunneld's log says why"},
};

enum health_change health_judge(enum health_rule rule, bool raised,
                                const struct health_measure *measure)
{
    if (measure->limit == 0)
        return raised ? HEALTH_OVER : HEALTH_SAME;
    double percent = (double)measure->used * 100 / (double)measure->limit;
    if (!raised && percent >= rules[rule].raise_percent)
        return HEALTH_RAISED;
    if (raised && percent < rules[rule].over_percent)
        return HEALTH_OVER;
    return HEALTH_SAME;
}

uint64_t health_worker_memory_limit(uint64_t sessions, uint64_t connections)
{
    return WORKER_BASE + sessions * WORKER_SESSION + connections * WORKER_STREAM;
}

struct health_measure health_disk(uint64_t free_bytes, uint64_t size_bytes)
{
    uint64_t last = size_bytes < GIB ? size_bytes : GIB;
    return (struct health_measure){.used = free_bytes < last ? last - free_bytes : 0,
                                   .limit = last};
}

const char *health_rule_name(enum health_rule rule)
{
    return rules[rule].name;
}

static void describe_share(enum unit unit, const struct health_measure *measure, char *text,
                           size_t size)
{
    char used[32], limit[32];
    if (unit == UNIT_BYTES) {
        text_format_bytes(measure->used, used, sizeof used);
        text_format_bytes(measure->limit, limit, sizeof limit);
    } else {
        (void)snprintf(used, sizeof used, "%" PRIu64, measure->used);
        (void)snprintf(limit, sizeof limit, "%" PRIu64, measure->limit);
    }
    double percent = measure->limit > 0 ? (double)measure->used * 100 / (double)measure->limit : 0;
    (void)snprintf(text, size, "%s of %s (%.0f %%)", used, limit, percent);
}

void health_describe(enum health_rule rule, const char *subject,
                     const struct health_measure *measure, char *text, size_t size)
{
    char value[96] = "some in the last minute", left[32];
    if (rules[rule].unit == UNIT_LEFT) {
        text_format_bytes(measure->limit - measure->used, left, sizeof left);
        (void)snprintf(value, sizeof value, "%s left", left);
    } else if (rules[rule].unit != UNIT_LOST) {
        describe_share(rules[rule].unit, measure, value, sizeof value);
    }
    (void)snprintf(text, size, "%s%s%s: %s; %s", rules[rule].label,
                   subject[0] != '\0' ? " of " : "", subject, value, rules[rule].advice);
}
