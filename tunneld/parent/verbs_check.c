/*
 * `site.check`: what stands between a visitor and this site's targets, as a chain of verdicts.
 * It looks at what is known already and disturbs nothing.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/kept_text.h"
#include "parent/enrolment.h"
#include "parent/rows.h"
#include "parent/verbs.h"

#define PASS "PASS"
#define FAIL "FAIL"
#define SKIP "SKIP"

struct check {
    json_t *rows;
    const struct site *site;
};

static void say_since(const struct check *check, const char *component, const char *target,
                      const char *verdict, const char *detail, const char *advice, int64_t ok_s)
{
    (void)json_array_append_new(
        check->rows, json_pack("{s:s, s:o, s:s, s:s, s:o, s:o}", "component", component, "target",
                               json_words(target), "verdict", verdict, "detail", detail, "advice",
                               json_words(advice), "last_ok", json_time(ok_s)));
}

static void say(const struct check *check, const char *component, const char *target,
                const char *verdict, const char *detail, const char *advice)
{
    say_since(check, component, target, verdict, detail, advice, 0);
}

/* A failure whose advice names the site. */
static void say_do(const struct check *check, const char *component, const char *target,
                   const char *detail, const char *before, const char *after)
{
    char advice[256];
    (void)snprintf(advice, sizeof advice, "%s%s%s", before, check->site->row.name, after);
    say(check, component, target, FAIL, detail, advice);
}

static void check_enabled(const struct check *check)
{
    if (check->site->row.enabled)
        say(check, "enabled", "", PASS, "the site is enabled", "");
    else
        say_do(check, "enabled", "", "the site is disabled", "tunnelctl site enable ", "");
}

static void on_key(void *owner, const struct key_row *row)
{
    struct key_row *best = owner;
    if (row->state > best->state)
        *best = *row;
}

static void on_keyfile(void *owner, const struct keyfile_row *row)
{
    struct keyfile_row *newest = owner;
    if (newest->id[0] == '\0')
        *newest = *row;
}

static void say_no_key(const struct check *check, const struct keyfile_row *keyfile)
{
    char detail[160];
    const char *state = keyfile_display_state(keyfile, clock_wall_s());
    if (keyfile->id[0] == '\0') {
        say_do(check, "keyfile", "", "the site was never enrolled", "tunnelctl keyfile issue ",
               " -o FILE");
        return;
    }
    (void)snprintf(detail, sizeof detail, "keyfile %s is %s and no key is enrolled", keyfile->id,
                   state);
    if (strcmp(state, "open") == 0)
        say(check, "keyfile", keyfile->id, FAIL, detail,
            "at the site: tunnel-agent enrol FILE, with that keyfile");
    else
        say_do(check, "keyfile", keyfile->id, detail, "tunnelctl keyfile issue ", " -o FILE");
}

static void check_keyfile(const struct check *check)
{
    struct key_row key = {.state = KEY_NONE};
    struct keyfile_row keyfile = {.id = ""};
    struct store *store = check->site->hub->store;
    char detail[160], since[CLOCK_TEXT_SIZE];
    if (store_keys(store, check->site->row.id, on_key, &key, NULL) != 0 ||
        store_keyfiles(store, check->site->row.id, on_keyfile, &keyfile, NULL) != 0) {
        say(check, "keyfile", "", FAIL, "the store cannot be read", "look into tunneld's log");
        return;
    }
    if (key.state == KEY_NONE) {
        say_no_key(check, &keyfile);
        return;
    }
    (void)snprintf(detail, sizeof detail, "key %s is %s since %s", key.fingerprint,
                   key_state_name(key.state), clock_format(key.since_s, since));
    if (key.state == KEY_CURRENT)
        say(check, "keyfile", key.keyfile, PASS, detail, "");
    else
        say(check, "keyfile", key.keyfile, FAIL, detail,
            "the site must connect once: tunnel-agent run");
}

static void check_session(const struct check *check)
{
    char detail[256], since[CLOCK_TEXT_SIZE];
    const struct session *session = site_main_session(check->site);
    if (!session) {
        say(check, "session", "", FAIL, "the site is not connected",
            "at the site: is tunnel-agent running, and can it reach this hub?");
        return;
    }
    (void)snprintf(detail, sizeof detail, "session %llu from %s since %s, %s",
                   (unsigned long long)session->id, session->peer,
                   clock_format(session->since_s, since), kept_text(session->software));
    say(check, "session", session->peer, PASS, detail, "");
}

static void check_last_disconnect(const struct check *check)
{
    char detail[REASON_SIZE + 64], time[CLOCK_TEXT_SIZE];
    const struct site_row *row = &check->site->row;
    if (row->last_disconnect_s == 0) {
        say(check, "last disconnect", "", SKIP, "none so far", "");
        return;
    }
    (void)snprintf(detail, sizeof detail, "%s: %s", clock_format(row->last_disconnect_s, time),
                   row->last_reason);
    say(check, "last disconnect", "", check->site->serving_count > 0 ? PASS : SKIP, detail, "");
}

static const char *advice_for(enum forward_state state)
{
    switch (state) {
    case FORWARD_DISABLED:
        return "tunnelctl port enable SITE PORT";
    case FORWARD_EXPIRED:
        return "tunnelctl port set SITE PORT --expires TIME";
    case FORWARD_REFUSED:
        return "remove what the reason names; allow_targets stands in agent.yaml at the site, "
               "which alone can widen it";
    case FORWARD_OFFLINE:
    case FORWARD_WAITING:
        return "the site must connect and publish it";
    default:
        return "";
    }
}

static void check_forward(const struct check *check, const struct forward *forward)
{
    char detail[REASON_SIZE + 64];
    enum forward_state state = forward_state(forward);
    const char *reason = forward_reason(forward);
    const char *by = state == FORWARD_REFUSED ? forward_fault(forward) : "";
    (void)snprintf(detail, sizeof detail, "%s%s%s%s%s", forward_state_name(state),
                   by[0] != '\0' ? " by the " : "", by, reason[0] != '\0' ? ": " : "", reason);
    say(check, "forward", forward->listen, state == FORWARD_PUBLISHED ? PASS : FAIL, detail,
        advice_for(state));
}

static void check_target(const struct check *check, const struct forward *forward)
{
    char detail[REASON_SIZE + 96], ok[CLOCK_TEXT_SIZE], failed[CLOCK_TEXT_SIZE];
    const struct target_health *health = &forward->health;
    const char *target = forward->grant->target;
    switch (health->state) {
    case TARGET_ANSWERS:
        (void)snprintf(detail, sizeof detail, "it answered at %s", clock_format(health->ok_s, ok));
        say_since(check, "target", target, PASS, detail, "", health->ok_s);
        return;
    case TARGET_FAILS:
        (void)snprintf(detail, sizeof detail, "%s (at %s; it answered last: %s)",
                       kept_text(health->reason), clock_format(health->failed_s, failed),
                       health->ok_s != 0 ? clock_format(health->ok_s, ok) : "never");
        say_since(check, "target", target, FAIL, detail,
                  "at the site: does something listen there?", health->ok_s);
        return;
    default:
        say(check, "target", target, SKIP,
            "nobody has tried it yet; 'port set --target-check 5m' tries it by itself", "");
        return;
    }
}

static void check_forwards(const struct check *check)
{
    const struct site *site = check->site;
    if (site->forward_count == 0 && site->outbound_count == 0)
        say_do(check, "forward", "", "no port is granted", "tunnelctl port allow ",
               " PORT --target HOST:PORT");
    for (size_t i = 0; i < site->forward_count; i++)
        check_forward(check, site->forwards[i]);
    for (size_t i = 0; i < site->forward_count; i++)
        check_target(check, site->forwards[i]);
}

/* Offline is no failure: a stock client may use the grant, and listens by itself. */
static void check_outbound(const struct check *check, const struct outbound *outbound)
{
    char detail[REASON_SIZE + HOST_PORT_SIZE + 32];
    enum outbound_state state = outbound_state(outbound);
    const char *reason = outbound_reason(outbound);
    (void)snprintf(detail, sizeof detail, "to %s, %s%s%s", outbound->target,
                   outbound_state_name(state), reason[0] != '\0' ? ": " : "", reason);
    if (state == OUTBOUND_REFUSED)
        say(check, "outbound", outbound->listen, FAIL, detail,
            "remove what the reason names; allow_listen is the site's own list");
    else
        say(check, "outbound", outbound->listen, state == OUTBOUND_LISTENING ? PASS : SKIP, detail,
            "");
}

static void check_outbounds(const struct check *check)
{
    const struct outbound *outbound;
    TAILQ_FOREACH(outbound, &check->site->outbounds, of_site)
    check_outbound(check, outbound);
}

void verb_site_check(struct hub *hub, struct control_request *request, const json_t *args)
{
    const char *name = arg_text(args, "name");
    struct check check = {.rows = json_array(), .site = site_find(hub, name)};
    if (!check.site) {
        say(&check, "known", name, FAIL, "there is no such site", "tunnelctl site add NAME");
        control_reply(request, check.rows);
        return;
    }
    say(&check, "known", name, PASS, "the site is known", "");
    check_enabled(&check);
    check_keyfile(&check);
    check_session(&check);
    check_last_disconnect(&check);
    check_forwards(&check);
    check_outbounds(&check);
    control_reply(request, check.rows);
}
