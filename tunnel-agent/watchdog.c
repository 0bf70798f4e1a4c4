/*
 * The agent's own doubt: SSH may answer while the forwards do not stand.  Requests have a time
 * limit of their own (forwards.c) and refusals are repeated by forward_list.c; here is what catches
 * the rest.  It does nothing itself.
 */
#include "watchdog.h"

#include "base/text.h"

void watchdog_reset(struct watchdog *watchdog)
{
    watchdog->watching = watchdog->asked = false;
    watchdog->refused_ms = 0;
}

static void begin(struct watchdog *watchdog, uint64_t answers, uint64_t now_ms)
{
    watchdog->watching = true;
    watchdog->asked = false;
    watchdog->answers = answers;
    watchdog->progress_ms = now_ms;
}

/* Every one that is wanted is refused: this session publishes nothing. */
static enum watchdog_verdict judge_refused(struct watchdog *watchdog,
                                           const struct forward_tally *tally, uint64_t now_ms,
                                           struct fault *why)
{
    char age[32];
    uint64_t patience =
        watchdog->patience_ms > 0 ? watchdog->patience_ms : (uint64_t)WATCHDOG_REFUSED_MS;
    if (watchdog->refused_ms == 0)
        watchdog->refused_ms = now_ms;
    if (now_ms - watchdog->refused_ms < patience)
        return WATCHDOG_FINE;
    text_format_age_s((now_ms - watchdog->refused_ms) / 1000, age, sizeof age);
    (void)fault_set(why, "the hub has refused all %zu forwards for %s: trying with a new session",
                    tally->wanted, age);
    watchdog->patience_ms = patience * 2 < WATCHDOG_RARE_MS ? patience * 2 : WATCHDOG_RARE_MS;
    watchdog->refused_ms = 0;
    return WATCHDOG_RESTART;
}

/* The requests are on their way already (forward_list.c): this is for those who read `status`. */
static enum watchdog_verdict judge_lost(struct watchdog *watchdog,
                                        const struct forward_tally *tally, struct fault *why)
{
    uint64_t count = tally->lost - watchdog->lost;
    watchdog->lost = tally->lost;
    (void)fault_set(why, "the hub did not publish %llu of the forwards any more: asking again",
                    (unsigned long long)count);
    return WATCHDOG_ASK_AGAIN;
}

static enum watchdog_verdict judge_silence(struct watchdog *watchdog,
                                           const struct forward_tally *tally, uint64_t now_ms,
                                           struct fault *why)
{
    size_t waiting = tally->wanted - tally->published - tally->refused;
    uint64_t silent = now_ms - watchdog->progress_ms;
    bool restart = silent >= WATCHDOG_RESTART_MS;
    if (silent < WATCHDOG_REPAIR_MS || (watchdog->asked && !restart))
        return WATCHDOG_FINE;
    (void)fault_set(why,
                    "%zu forwards to publish and %zu to withdraw, and no answer of the hub's for "
                    "%llu s: %s",
                    waiting, tally->leaving, (unsigned long long)(silent / 1000),
                    restart ? "trying with a new session" : "asking again");
    watchdog->asked = true;
    return restart ? WATCHDOG_RESTART : WATCHDOG_ASK_AGAIN;
}

enum watchdog_verdict watchdog_judge(struct watchdog *watchdog, const struct forward_tally *tally,
                                     uint64_t now_ms, struct fault *why)
{
    bool all_refused = tally->wanted > 0 && tally->refused == tally->wanted;
    bool settled = tally->published + tally->refused >= tally->wanted && tally->leaving == 0;
    if (!watchdog->watching || settled || tally->answers != watchdog->answers)
        begin(watchdog, tally->answers, now_ms);
    if (tally->published > 0)
        watchdog->patience_ms = 0;
    if (all_refused)
        return judge_refused(watchdog, tally, now_ms, why);
    watchdog->refused_ms = tally->published > 0 ? 0 : watchdog->refused_ms;
    if (tally->lost != watchdog->lost)
        return judge_lost(watchdog, tally, why);
    return settled ? WATCHDOG_FINE : judge_silence(watchdog, tally, now_ms, why);
}
