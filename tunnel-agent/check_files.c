/*
 * The first steps of `check`: state directory, keyfile or agent.yaml, the site's key.  Read only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "check_steps.h"
#include "site_key.h"

/* The whole of its life is one row: which stage, and whose. */
void check_state(struct check *check)
{
    static const char *const STAGES[] = {
        [STATE_PENDING] = "its enrolment is not finished", [STATE_ENROLLED] = "enrolled"};
    struct fault fault = {0};
    char site[NAME_SIZE];
    if (state_locate(&check->state, check->options->state, &fault) != 0 ||
        state_look(&check->state, &check->stage, site, &fault) != 0) {
        check_say_fault(check, check->state.dir, &fault,
                        "run this as the user whom the agent runs as, or repair what is named");
        return;
    }
    if (check->stage != STATE_EMPTY)
        check_say(check, CHECK_PASS, check->state.dir, NULL, "site %s, %s", site,
                  STAGES[check->stage]);
    else if (check->options->keyfile != NULL)
        check_say(check, CHECK_PASS, check->state.dir, NULL, "not enrolled yet");
    else
        check_say(check, CHECK_FAIL, check->state.dir,
                  "to check before enrolling: tunnel-agent check KEYFILE; another directory: "
                  "--state DIR",
                  "this machine is not enrolled");
}

/* --- keyfile or agent.yaml -------------------------------------------------------------------- */

static void use_keyfile(struct check *check)
{
    check->has_keyfile = true;
    check->site = check->keyfile.site;
    check->hubs = &check->keyfile.hub;
    check->host_keys = &check->keyfile.host_keys;
    check->allow_targets = &check->keyfile.allow_targets;
}

static void use_settings(struct check *check)
{
    check->site = check->settings.site;
    check->hubs = &check->settings.hubs;
    check->host_keys = &check->settings.host_keys;
    check->allow_targets = &check->settings.allow_targets;
}

static int load_keyfile(struct check *check, const char *path, struct fault *fault)
{
    text_copy(check->path, sizeof check->path, path);
    if (keyfile_read(path, &check->keyfile, fault) != 0)
        return -1;
    use_keyfile(check);
    return 0;
}

static int load_settings(struct check *check, struct fault *fault)
{
    if (state_path(&check->state, "agent.yaml", check->path, fault) != 0 ||
        state_settings(&check->state, &check->settings, fault) != 0)
        return -1;
    use_settings(check);
    return 0;
}

/* An enrolment that was interrupted goes on with agent.yaml, if it came so far. */
static int load_pending(struct check *check, struct fault *fault)
{
    char path[STATE_PATH_SIZE], settings[STATE_PATH_SIZE];
    if (state_path(&check->state, "keyfile", path, fault) != 0 ||
        state_path(&check->state, "agent.yaml", settings, fault) != 0 ||
        load_keyfile(check, path, fault) != 0)
        return -1;
    if (access(settings, F_OK) != 0 && errno == ENOENT)
        return 0;
    return load_settings(check, fault);
}

static int load(struct check *check, struct fault *fault)
{
    if (check->options->keyfile != NULL)
        return load_keyfile(check, check->options->keyfile, fault);
    return check->stage == STATE_PENDING ? load_pending(check, fault) : load_settings(check, fault);
}

/* `enrol` would refuse it, and asking a hub about the one site with the other's key is of no use.
 */
static bool other_site(struct check *check)
{
    char site[NAME_SIZE];
    enum state_stage stage;
    if (check->options->keyfile == NULL || state_look(&check->state, &stage, site, NULL) != 0 ||
        stage == STATE_EMPTY || strcmp(site, check->site) == 0)
        return false;
    check_say(check, CHECK_FAIL, check->path,
              "give the keyfile's site a directory of its own with "
              "--state",
              "the keyfile is for site '%s', %s belongs to site '%s'", check->site,
              check->state.dir, site);
    return true;
}

void check_file(struct check *check)
{
    struct fault fault = {0};
    if (check->options->keyfile == NULL && !check_passed(check, "state")) {
        check_say_needs(check, NULL, "state");
        return;
    }
    if (load(check, &fault) != 0) {
        check_say_fault(check, check->path, &fault,
                        check->options->keyfile != NULL
                            ? "ask the hub's operator for the keyfile again"
                            : "repair the file, or enrol anew with a keyfile");
        return;
    }
    if (!other_site(check))
        check_say(check, CHECK_PASS, check->path, NULL,
                  "site %s, %zu hub address%s, %zu host key%s", check->site, check->hubs->count,
                  check->hubs->count == 1 ? "" : "es", check->host_keys->count,
                  check->host_keys->count == 1 ? "" : "s");
}

void check_date(struct check *check)
{
    const struct keyfile *keyfile = &check->keyfile;
    char expires[CLOCK_TEXT_SIZE], left[32];
    int64_t now_s = clock_wall_s();
    clock_format(keyfile->expires_s, expires);
    if (now_s > keyfile->expires_s) {
        check_say(check, CHECK_SKIP, keyfile->token.id,
                  "the hub's clock alone decides; if this one is right, ask the hub's operator for "
                  "a new keyfile",
                  "by this machine's clock it expired at %s", expires);
        return;
    }
    text_format_age_s((uint64_t)(keyfile->expires_s - now_s), left, sizeof left);
    check_say(check, CHECK_PASS, keyfile->token.id, NULL, "until %s, %s left by this clock",
              expires, left);
}

void check_site_key(struct check *check)
{
    struct public_key public;
    struct fault fault = {0};
    char path[STATE_PATH_SIZE];
    if (state_path(&check->state, "key", path, &fault) != 0) {
        check_say_fault(check, check->state.dir, &fault, NULL);
        return;
    }
    if (check->stage != STATE_ENROLLED && access(path, F_OK) != 0 && errno == ENOENT) {
        check_say(check, CHECK_SKIP, path, NULL, "none yet, enrolling makes it");
        return;
    }
    if (site_key_load(path, &check->key, &public, &fault) != 0) {
        check_say_fault(check, path, &fault, "enrol anew with a keyfile");
        return;
    }
    check_say(check, CHECK_PASS, path, NULL, "%s",
              public_key_fingerprint(&public, check->fingerprint));
}
