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

/* A second begins with the first visitor after the last one was over.  A clock that went back
 * begins a second too, but gives nothing back. */
static bool take_token(uint64_t max_rate, struct policy_usage *usage, uint64_t now_ms)
{
    if (now_ms < usage->rate_since_ms) {
        usage->rate_since_ms = now_ms;
    } else if (now_ms - usage->rate_since_ms >= SECOND_MS) {
        usage->rate_since_ms = now_ms;
        usage->rate_taken = 0;
    }
    if (usage->rate_taken >= max_rate)
        return false;
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
