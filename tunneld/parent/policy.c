/*
 * The verdict on a visitor.  What is in use is counted elsewhere; nothing here keeps state of its
 * own, so that a table of cases is the whole test.
 */
#define _GNU_SOURCE
#include "parent/policy.h"

#define SECOND_MS 1000

static const struct {
    const char *name, *text;
} verdicts[POLICY_VERDICT_END] = {
    [POLICY_ADMITS] = {"admitted", "admitted"},
    [POLICY_NETWORK] = {"network", "the visitor's network is not allowed"},
    [POLICY_CONNECTIONS] = {"connections", "as many connections are there as the grant allows"},
    [POLICY_RATE] = {"rate", "as many connections came in this second as the grant allows"},
    [POLICY_EXPIRED] = {"expired", "the grant has expired"},
    [POLICY_WAITING] = {"waiting", "the publisher is away, and as many visitors wait as may"},
    [POLICY_HUB] = {"hub", "the hub has as many connections as it may have"},
};

const char *policy_verdict_name(enum policy_verdict verdict)
{
    return verdicts[verdict].name;
}

const char *policy_verdict_text(enum policy_verdict verdict)
{
    return verdicts[verdict].text;
}

static bool network_admits(const struct policy *policy, const char *visitor)
{
    for (size_t i = 0; i < policy->network_count; i++) {
        if (cidr_contains(&policy->networks[i], visitor))
            return true;
    }
    return policy->network_count == 0;
}

enum policy_verdict policy_keep(const struct policy *policy, const char *visitor, int64_t now_s)
{
    if (!network_admits(policy, visitor))
        return POLICY_NETWORK;
    if (policy->expires_s != 0 && now_s >= policy->expires_s)
        return POLICY_EXPIRED;
    return POLICY_ADMITS;
}

static unsigned newest(const struct policy_usage *usage)
{
    return (usage->rate_oldest + usage->rate_groups - 1) % POLICY_RATE_GROUPS;
}

static void begin_group(struct policy_usage *usage, uint64_t now_ms, uint64_t count)
{
    usage->rate_groups++;
    usage->rate_first_ms = now_ms;
    usage->rate_last_ms[newest(usage)] = now_ms;
    usage->rate_count[newest(usage)] = (uint32_t)count;
}

/* A clock that went back gives nothing back: all that it knew came just now. */
static void slide(struct policy_usage *usage, uint64_t now_ms)
{
    if (usage->rate_groups > 0 && now_ms < usage->rate_last_ms[newest(usage)]) {
        usage->rate_groups = 0;
        begin_group(usage, now_ms, usage->rate_taken);
    }
    while (usage->rate_groups > 0 &&
           now_ms - usage->rate_last_ms[usage->rate_oldest] >= SECOND_MS) {
        usage->rate_taken -= usage->rate_count[usage->rate_oldest];
        usage->rate_oldest = (usage->rate_oldest + 1) % POLICY_RATE_GROUPS;
        usage->rate_groups--;
    }
}

static bool take_token(uint64_t max_rate, struct policy_usage *usage, uint64_t now_ms)
{
    slide(usage, now_ms);
    if (usage->rate_taken >= max_rate)
        return false;
    if (usage->rate_groups == 0 || now_ms - usage->rate_first_ms >= POLICY_RATE_GROUP_MS)
        begin_group(usage, now_ms, 0);
    usage->rate_last_ms[newest(usage)] = now_ms;
    usage->rate_count[newest(usage)]++;
    usage->rate_taken++;
    return true;
}

enum policy_verdict policy_admit(const struct policy *policy, struct policy_usage *usage,
                                 const char *visitor, uint64_t now_ms, int64_t now_s)
{
    enum policy_verdict verdict = policy_keep(policy, visitor, now_s);
    if (verdict != POLICY_ADMITS)
        return verdict;
    if (policy->max_connections != 0 && usage->connections >= policy->max_connections)
        return POLICY_CONNECTIONS;
    if (policy->max_rate != 0 && !take_token(policy->max_rate, usage, now_ms))
        return POLICY_RATE;
    return POLICY_ADMITS;
}
