/*
 * The state machine of "one publisher for each site".  It knows session ids and milliseconds,
 * nothing of sockets, keys or grants; publish.c acts on its outcomes.
 */
#define _GNU_SOURCE
#include "parent/claims.h"

static const char *const state_names[] = {
    [CLAIM_FREE] = "free", [CLAIM_HELD] = "held", [CLAIM_CONTESTED] = "contested"};

const char *claim_state_name(enum claim_state state)
{
    return state_names[state];
}

static void claim_free(struct claim *claim)
{
    *claim = (struct claim){.state = CLAIM_FREE};
}

static void claim_hold(struct claim *claim, uint64_t holder)
{
    *claim = (struct claim){.state = CLAIM_HELD, .holder = holder};
}

/* Four round trips, within bounds; an unmeasured line gets the longest time. */
static uint64_t probe_ms(uint64_t rtt_us)
{
    uint64_t ms = rtt_us / 250;
    if (rtt_us == 0 || ms > CLAIM_PROBE_MAX_MS)
        return CLAIM_PROBE_MAX_MS;
    return ms < CLAIM_PROBE_MIN_MS ? CLAIM_PROBE_MIN_MS : ms;
}

/* The pending key needs no probe: the site's own people made it to replace the old one. */
static struct claim_outcome supersede(struct claim *claim, uint64_t sid)
{
    uint64_t refused = claim->challenger == sid ? 0 : claim->challenger;
    struct claim_outcome outcome = {.granted = sid, .evicted = claim->holder, .refused = refused};
    claim_hold(claim, sid);
    return outcome;
}

struct claim_outcome claim_ask(struct claim *claim, uint64_t sid, bool supersedes,
                               uint64_t holder_rtt_us, uint64_t now_ms)
{
    if (claim->state == CLAIM_FREE) {
        claim_hold(claim, sid);
        return (struct claim_outcome){.granted = sid};
    }
    if (claim->holder == sid)
        return (struct claim_outcome){.granted = sid};
    if (supersedes)
        return supersede(claim, sid);
    if (claim->state == CLAIM_CONTESTED && claim->challenger != sid)
        return (struct claim_outcome){.refused = sid};
    if (claim->state == CLAIM_CONTESTED)
        return (struct claim_outcome){0};
    claim->state = CLAIM_CONTESTED;
    claim->challenger = sid;
    claim->heard = false;
    claim->since_ms = now_ms;
    claim->wait_ms = probe_ms(holder_rtt_us);
    claim->deadline_ms = now_ms + claim->wait_ms;
    return (struct claim_outcome){.probe = claim->holder};
}

void claim_heard(struct claim *claim, uint64_t sid)
{
    if (claim->holder == sid)
        claim->heard = true;
}

struct claim_outcome claim_alive(struct claim *claim, uint64_t sid)
{
    if (claim->state != CLAIM_CONTESTED || claim->holder != sid)
        return (struct claim_outcome){0};
    struct claim_outcome outcome = {.refused = claim->challenger};
    claim_hold(claim, sid);
    return outcome;
}

struct claim_outcome claim_expire(struct claim *claim, uint64_t now_ms)
{
    if (claim->state != CLAIM_CONTESTED || now_ms < claim->deadline_ms)
        return (struct claim_outcome){0};
    if (claim->heard && now_ms - claim->since_ms >= CLAIM_LONGEST_MS)
        return claim_alive(claim, claim->holder);
    if (claim->heard) {
        claim->heard = false;
        claim->deadline_ms = now_ms + claim->wait_ms;
        return (struct claim_outcome){.longer = true};
    }
    struct claim_outcome outcome = {.granted = claim->challenger, .evicted = claim->holder};
    claim_hold(claim, claim->challenger);
    return outcome;
}

struct claim_outcome claim_gone(struct claim *claim, uint64_t sid)
{
    if (claim->state == CLAIM_FREE)
        return (struct claim_outcome){0};
    if (claim->challenger == sid) {
        claim_hold(claim, claim->holder);
        return (struct claim_outcome){0};
    }
    if (claim->holder != sid)
        return (struct claim_outcome){0};
    if (claim->state == CLAIM_HELD) {
        claim_free(claim);
        return (struct claim_outcome){0};
    }
    struct claim_outcome outcome = {.granted = claim->challenger};
    claim_hold(claim, claim->challenger);
    return outcome;
}
