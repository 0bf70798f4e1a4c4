/*
 * Enrolling: shows the keyfile, asks, makes the state directory ready, and connects once, until the
 * hub has made the key current.  A kill at any point is harmless; the same command goes on where it
 * stopped (state.h).  When an agent runs on the state directory, it gets the keyfile instead.
 */
#define _GNU_SOURCE
#include "enrol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "control/client.h"
#include "forwards.h"
#include "next_key.h"
#include "show.h"
#include "site_key.h"
#include "state.h"
#include "uplink.h"

/* One enrolment with this process as its agent. */
struct enrolment {
    uv_loop_t loop;
    struct state *state;
    enum state_stage stage; /* as it was found */
    const struct keyfile *keyfile;
    struct agent_settings settings;
    ssh_key key, next; /* `next`: a rotation was interrupted */
    struct public_key next_public;
    struct forwards *forwards;
    struct uplink *uplink;
    bool online, redeemed, used_next;
    bool in_doubt;    /* a hub may have taken the token */
    bool refused;     /* a hub said no, rather than nothing */
    struct fault why; /* when it did not come online */
    char hub[HOST_PORT_SIZE];
};

/* --- connecting ------------------------------------------------------------------------------- */

static void on_online(void *owner, bool redeemed)
{
    struct enrolment *enrolment = owner;
    enrolment->online = true;
    enrolment->redeemed = redeemed;
    enrolment->used_next = uplink_used_next(enrolment->uplink);
    text_copy(enrolment->hub, sizeof enrolment->hub, uplink_hub(enrolment->uplink));
    uplink_stop(enrolment->uplink);
}

static void on_round_failed(void *owner, const char *reasons)
{
    struct enrolment *enrolment = owner;
    fault_set(&enrolment->why, "%s", reasons);
    uplink_stop(enrolment->uplink);
}

static void on_stopped(void *owner)
{
    struct enrolment *enrolment = owner;
    enrolment->in_doubt = uplink_token_in_doubt(enrolment->uplink);
    enrolment->refused = uplink_was_refused(enrolment->uplink);
    uplink_close(enrolment->uplink);
    forwards_close(enrolment->forwards);
}

static const struct uplink_handlers UPLINK_HANDLERS = {
    .on_online = on_online,
    .on_round_failed = on_round_failed,
    .on_stopped = on_stopped,
};

/* Tries every hub once. */
static int connect_once(struct enrolment *enrolment, struct fault *fault)
{
    if (uv_loop_init(&enrolment->loop) != 0)
        return fault_set(fault, "cannot make an event loop");
    enrolment->forwards = forwards_new(&enrolment->loop, &enrolment->settings, false);
    if (enrolment->forwards != NULL)
        enrolment->uplink = uplink_new(&enrolment->loop, &enrolment->settings, enrolment->key,
                                       &enrolment->keyfile->token, enrolment->forwards,
                                       &UPLINK_HANDLERS, enrolment);
    if (enrolment->uplink != NULL) {
        uplink_set_keys(enrolment->uplink, enrolment->key, enrolment->next);
        uplink_start(enrolment->uplink);
    } else {
        forwards_close(enrolment->forwards);
    }
    uv_run(&enrolment->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&enrolment->loop);
    if (enrolment->uplink == NULL)
        return fault_set(fault, "out of memory");
    return enrolment->online ? 0 : fault_set(fault, "%s", enrolment->why.text);
}

/* The keyfile says where the hub is, also for a site that was enrolled before. */
static int connect_with_keyfile(struct enrolment *enrolment, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_settings(enrolment->state, &enrolment->settings, fault) != 0)
        return -1;
    struct agent_settings ours = enrolment->settings;
    enrolment->settings.hubs = enrolment->keyfile->hub;
    enrolment->settings.host_keys = enrolment->keyfile->host_keys;
    int rc = state_path(enrolment->state, "key", path, fault);
    if (rc == 0)
        rc = site_key_load(path, &enrolment->key, NULL, fault);
    struct fault other = {0};
    if (next_key_load(enrolment->state, &enrolment->next, &enrolment->next_public, &other) < 0)
        log_warning(SAY("the next key is not used"), KV("reason", other.text));
    if (rc == 0)
        rc = connect_once(enrolment, fault);
    if (rc == 0 && enrolment->used_next)
        rc = next_key_adopt(enrolment->state, &enrolment->next_public, fault);
    ssh_key_free(enrolment->key);
    ssh_key_free(enrolment->next);
    agent_settings_release(&ours);
    return rc;
}

/* --- what came of it -------------------------------------------------------------------------- */

static void say_next(const struct options *options)
{
    if (options->state != NULL)
        printf("Next: tunnel-agent run --state %s\n", options->state);
    else
        printf("Next: tunnel-agent run\n");
}

static int enrolled_now(const struct enrolment *enrolment, const struct options *options,
                        struct fault *fault)
{
    if (state_activated(enrolment->state, fault) != 0)
        return fault_prefix(fault, "enrolled, but the spent keyfile could not be removed");
    CRASH_POINT("agent.removed");
    printf("Enrolled as %s at %s; the key is in %s.\n", enrolment->keyfile->site, enrolment->hub,
           enrolment->state->dir);
    say_next(options);
    return 0;
}

/* The site was enrolled before this command: only a token that was taken changes anything. */
static int enrolled_before(struct enrolment *enrolment, const struct options *options, int rc,
                           struct fault *fault)
{
    const char *site = enrolment->keyfile->site;
    if (rc == 0 && enrolment->redeemed) {
        if (state_adopt(enrolment->state, enrolment->keyfile, fault) != 0)
            return -1;
        printf("Enrolled again as %s at %s, with the key that was there.\n", site, enrolment->hub);
    } else if (rc == 0) {
        printf("Already enrolled as %s; nothing was changed.\n", site);
    } else if (!enrolment->refused && !enrolment->in_doubt) {
        printf("Already enrolled as %s; nothing was changed.  The hub could not be asked: %s\n",
               site, fault->text);
    } else {
        return fault_prefix(fault, "%s was enrolled as %s before, but", enrolment->state->dir,
                            site);
    }
    say_next(options);
    return 0;
}

/* A keyfile that certainly came to nothing leaves nothing behind: the next may be of another site.
 */
static int not_enrolled(const struct enrolment *enrolment, struct fault *fault)
{
    struct fault other;
    if (!enrolment->in_doubt && enrolment->stage == STATE_EMPTY &&
        state_withdraw(enrolment->state, &other) != 0)
        *fault = other;
    return fault_prefix(fault, "not enrolled");
}

static int enrol_here(struct state *state, const struct keyfile *keyfile,
                      const struct options *options, struct fault *fault)
{
    struct enrolment enrolment = {.state = state, .keyfile = keyfile};
    char site[NAME_SIZE];
    if (state_look(state, &enrolment.stage, site, fault) != 0)
        return -1;
    if (enrolment.stage == STATE_ENROLLED)
        return enrolled_before(&enrolment, options, connect_with_keyfile(&enrolment, fault), fault);
    if (state_prepare(state, keyfile, fault) != 0)
        return -1;
    if (connect_with_keyfile(&enrolment, fault) != 0)
        return not_enrolled(&enrolment, fault);
    return enrolled_now(&enrolment, options, fault);
}

/* --- beside a running agent ------------------------------------------------------------------- */

static int hand_over(const struct state *state, const struct keyfile *keyfile,
                     const struct fault *locked, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    struct control_client *client = NULL;
    json_t *data = NULL;
    if (state_socket_path(state, path, fault) != 0)
        return -1;
    if (control_client_open(path, &client, NULL) != 0)
        return fault_set(fault, "%s", locked->text);
    char *text = keyfile_format(keyfile);
    json_t *args = text != NULL ? json_pack("{s:s}", "keyfile", text) : NULL;
    int rc = args != NULL ? control_client_call(client, "enrol", args, &data, fault)
                          : fault_set(fault, "out of memory");
    if (text != NULL)
        secret_wipe(text, strlen(text));
    free(text);
    control_client_close(client);
    if (rc != 0)
        return -1;
    if (json_is_true(json_object_get(data, "already")))
        printf("Already enrolled as %s; the running agent is online.\n", keyfile->site);
    else
        printf("Enrolled as %s by the running agent.\n", keyfile->site);
    json_decref(data);
    return 0;
}

/* --- the command ------------------------------------------------------------------------------ */

static int ask(const struct keyfile *keyfile, const struct options *options, struct fault *fault)
{
    char line[16];
    if (options->yes)
        return 0;
    if (!isatty(STDIN_FILENO))
        return fault_set(fault, "nobody can be asked, because standard input is no terminal; say "
                                "--yes to enrol without a question");
    printf("Enrol this machine as site '%s'? [y/N] ", keyfile->site);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y'))
        return 0;
    return fault_set(fault, "not enrolled: nothing was changed");
}

/* Another site's state directory is left alone before anybody is asked anything. */
static int check_site(const struct state *state, const struct keyfile *keyfile, struct fault *fault)
{
    enum state_stage stage;
    char site[NAME_SIZE];
    if (state_look(state, &stage, site, fault) != 0)
        return -1;
    if (stage == STATE_EMPTY || strcmp(site, keyfile->site) == 0)
        return 0;
    return fault_set(fault,
                     "%s belongs to site '%s', the keyfile is for '%s'; give it a directory of its "
                     "own with --state, or remove this one if '%s' is to be given up",
                     state->dir, site, keyfile->site, site);
}

static int enrol(struct state *state, const struct keyfile *keyfile, const struct options *options,
                 struct fault *fault)
{
    struct fault locked = {0};
    if (state_locate(state, options->state, fault) != 0 || state_become_owner(state, fault) != 0 ||
        check_site(state, keyfile, fault) != 0)
        return -1;
    show_keyfile(keyfile, clock_wall_s(), stdout);
    if (ask(keyfile, options, fault) != 0 || state_create(state, fault) != 0)
        return -1;
    int rc = state_lock(state, &locked);
    if (rc == FILE_LOCKED)
        return hand_over(state, keyfile, &locked, fault);
    if (rc != 0)
        return fault_set(fault, "%s", locked.text);
    return enrol_here(state, keyfile, options, fault);
}

int command_enrol(const struct options *options, struct fault *fault)
{
    struct keyfile keyfile = {0};
    struct state state = {.lock = -1};
    static const enum log_level LEVELS[] = {LOG_ERROR, LOG_INFO, LOG_DEBUG, LOG_TRACE};
    log_set_level(LEVELS[options->verbose < 3 ? options->verbose : 3]);
    if (keyfile_read(options->keyfile, &keyfile, fault) != 0)
        return EXIT_REFUSED;
    int rc = enrol(&state, &keyfile, options, fault);
    keyfile_release(&keyfile);
    state_release(&state);
    return rc == 0 ? EXIT_DONE : EXIT_REFUSED;
}

/* --- status ----------------------------------------------------------------------------------- */

static int ask_status(const struct state *state, json_t **status, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    struct control_client *client = NULL;
    if (state_socket_path(state, path, fault) != 0)
        return EXIT_REFUSED;
    int rc = control_client_open(path, &client, fault);
    if (rc == 0)
        rc = control_client_call(client, "status", NULL, status, fault);
    control_client_close(client);
    if (rc == 0)
        return EXIT_DONE;
    if (rc == CONTROL_REFUSED)
        return EXIT_REFUSED;
    fault_set(fault,
              "no agent answers for %s; start it with 'tunnel-agent run', or name its directory "
              "with --state",
              state->dir);
    return EXIT_UNREACHABLE;
}

int command_status(const struct options *options, struct fault *fault)
{
    struct state state;
    json_t *status = NULL;
    if (state_locate(&state, options->state, fault) != 0)
        return EXIT_REFUSED;
    int rc = ask_status(&state, &status, fault);
    if (rc != EXIT_DONE)
        return rc;
    if (options->json) {
        json_dumpf(status, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        show_status(status, stdout);
    }
    json_decref(status);
    return EXIT_DONE;
}
