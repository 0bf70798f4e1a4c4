/*
 * The site's end of the chain: may the agent dial what the forwards lead to, does it answer, and is
 * this machine's clock right.  A target sees a connection that is closed without a byte.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "check_steps.h"

/* --- targets ---------------------------------------------------------------------------------- */

/* Every distinct target, its addresses one after the other in one list. */
struct trial {
    const struct host_port *target; /* borrowed */
    struct lookup *lookup;          /* NULL: allow_targets forbids it */
    size_t first;                   /* of its attempts */
};

struct trials {
    size_t count, lookup_count, attempt_count;
    struct trial *items;
    struct lookup *lookups;
    struct attempt *attempts;
};

static void trials_release(struct trials *trials)
{
    free(trials->items);
    free(trials->lookups);
    free(trials->attempts);
}

static bool same_target(const struct host_port *a, const struct host_port *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static void add_target(struct check *check, struct trials *trials, const struct host_port *target)
{
    for (size_t i = 0; i < trials->count; i++) {
        if (same_target(trials->items[i].target, target))
            return;
    }
    struct trial *trial = &trials->items[trials->count++];
    trial->target = target;
    if (!agent_target_allowed(check->allow_targets, target))
        return;
    trial->lookup = &trials->lookups[trials->lookup_count++];
    trial->lookup->to = *target;
    trial->lookup->family = AF_UNSPEC;
}

static bool connect_all(struct trials *trials)
{
    trials->attempts =
        calloc(trials->lookup_count * LOOKUP_ADDRESSES_MAX + 1, sizeof *trials->attempts);
    if (trials->attempts == NULL)
        return false;
    for (size_t i = 0; i < trials->count; i++) {
        struct trial *trial = &trials->items[i];
        trial->first = trials->attempt_count;
        for (size_t k = 0; trial->lookup != NULL && k < trial->lookup->count; k++)
            trials->attempts[trials->attempt_count++].address = trial->lookup->addresses[k];
    }
    attempts_run(trials->attempts, trials->attempt_count, CHECK_TIMEOUT_MS);
    for (size_t i = 0; i < trials->attempt_count; i++)
        attempt_close(&trials->attempts[i]);
    return true;
}

static bool try_all(struct check *check, struct trials *trials)
{
    trials->items = calloc(check->granted_count, sizeof *trials->items);
    trials->lookups = calloc(check->granted_count, sizeof *trials->lookups);
    if (trials->items == NULL || trials->lookups == NULL)
        return false;
    for (size_t i = 0; i < check->granted_count; i++)
        add_target(check, trials, &check->granted[i].target);
    lookups_run(trials->lookups, trials->lookup_count, CHECK_TIMEOUT_MS);
    return connect_all(trials);
}

static void say_forbidden(struct check *check, const char *target)
{
    char advice[2 * HOST_PORT_SIZE + 128];
    if (check->settings.site != NULL)
        snprintf(advice, sizeof advice,
                 "if the hub's visitors may reach it, add %s to allow_targets in agent.yaml",
                 target);
    else
        snprintf(advice, sizeof advice,
                 "ask the hub's operator for a keyfile issued with --allow-target %s, or add it to "
                 "allow_targets in agent.yaml after enrolling",
                 target);
    check_say(check, CHECK_FAIL, target, advice, "it is not in allow_targets");
}

/* The attempt that says most: the first that connected, else the first. */
static const struct attempt *best_of(const struct trials *trials, const struct trial *trial)
{
    const struct attempt *first = &trials->attempts[trial->first];
    for (size_t i = 0; i < trial->lookup->count; i++) {
        if (first[i].error == 0)
            return &first[i];
    }
    return first;
}

static void say_trial(struct check *check, const struct trials *trials, const struct trial *trial)
{
    char target[HOST_PORT_SIZE];
    host_port_format(trial->target->host, trial->target->port, target);
    if (trial->lookup == NULL) {
        say_forbidden(check, target);
        return;
    }
    if (trial->lookup->count == 0) {
        check_say(check, CHECK_FAIL, target,
                  "is the name right, and does this machine's name server know it?",
                  "resolve %s: %s", trial->target->host, lookup_reason(trial->lookup));
        return;
    }
    const struct attempt *attempt = best_of(trials, trial);
    if (attempt->error == 0)
        check_say(check, CHECK_PASS, target, NULL, "connected in %.1f ms",
                  (double)attempt->duration_us / 1000);
    else
        check_say(check, CHECK_FAIL, target,
                  attempt->error == ECONNREFUSED
                      ? "does the service run, and listen on this address and port?"
                      : "is the device on, and can this machine reach its network?",
                  "%s", attempt->error == ETIMEDOUT ? CHECK_NO_ANSWER : strerror(attempt->error));
}

void check_targets(struct check *check)
{
    struct trials trials = {0};
    if (check->granted_count == 0) {
        check_say_needs(check, NULL, "forward");
        return;
    }
    if (try_all(check, &trials)) {
        for (size_t i = 0; i < trials.count; i++)
            say_trial(check, &trials, &trials.items[i]);
    } else {
        check_say(check, CHECK_FAIL, NULL, NULL, "out of memory");
    }
    trials_release(&trials);
}

/* --- clock ------------------------------------------------------------------------------------ */

/* How far the hub's clock is ahead of this one; `least`: or further. */
static void say_skew(struct check *check, int64_t ahead_s, bool least)
{
    char skew[32];
    bool behind = ahead_s > 0;
    text_format_age_s((uint64_t)(behind ? ahead_s : -ahead_s), skew, sizeof skew);
    if (ahead_s >= -CHECK_CLOCK_SLACK_S && ahead_s <= CHECK_CLOCK_SLACK_S)
        check_say(check, CHECK_PASS, NULL, NULL, "%s off the hub's", skew);
    else
        check_say(check, CHECK_FAIL, NULL,
                  "set this machine's clock (NTP); the tunnel works all the same, the hub's clock "
                  "decides",
                  "%s%s %s the hub's", least ? "at least " : "", skew,
                  behind ? "behind" : "ahead of");
}

void check_clock(struct check *check)
{
    char issued[CLOCK_TEXT_SIZE];
    int64_t ahead_s = check->keyfile.issued_s - clock_wall_s();
    if (check->hub_clock_known) {
        say_skew(check, check->hub_ahead_s, false);
        return;
    }
    if (!check->has_keyfile) {
        check_say_needs(check, NULL, "forward");
        return;
    }
    clock_format(check->keyfile.issued_s, issued);
    if (ahead_s > CHECK_CLOCK_SLACK_S)
        say_skew(check, ahead_s, true);
    else
        check_say(check, CHECK_SKIP, NULL, NULL,
                  "not behind the keyfile's issue (%s); more is known after a login", issued);
}
