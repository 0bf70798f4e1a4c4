/*
 * The state directory and the order of its changes.  Every write is atomic (base/file.h); what
 * makes a crash harmless is the order: the keyfile's copy comes first and goes last.  Nothing here
 * talks to the hub.
 */
#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/crash_point.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/hub_settings.h"
#include "net/proxy.h"
#include "site_key.h"

int state_locate(struct state *state, const char *dir, struct fault *fault)
{
    state->lock = -1;
    if (dir == NULL)
        return default_state_dir("tunnel-agent", state->dir, sizeof state->dir, fault);
    if (dir[0] == '\0' || !text_copy(state->dir, sizeof state->dir, dir))
        return fault_set(fault, "--state wants the name of a directory, shorter than %d characters",
                         STATE_PATH_SIZE);
    return 0;
}

/* Of the directory, or of the one above it. */
static int owner_of(const char *dir, uid_t *user, gid_t *group)
{
    struct stat status;
    char above[STATE_PATH_SIZE + sizeof "/.."];
    if (stat(dir, &status) != 0) {
        const char *slash = strrchr(dir, '/');
        if (errno != ENOENT || slash == NULL || slash == dir || slash[1] == '\0')
            return -1;
        snprintf(above, sizeof above, "%.*s", (int)(slash - dir), dir);
        if (stat(above, &status) != 0)
            return -1;
    }
    *user = status.st_uid;
    *group = status.st_gid;
    return 0;
}

int state_become_owner(const struct state *state, struct fault *fault)
{
    uid_t user;
    gid_t group;
    if (geteuid() != 0 || owner_of(state->dir, &user, &group) != 0 || user == 0)
        return 0;
    const struct passwd *account = getpwuid(user);
    if (account != NULL)
        group = account->pw_gid;
    /* A container's root may be unable to: then it works there as what it is. */
    if (setgroups(0, NULL) != 0 && errno == EPERM)
        return 0;
    if (setresgid(group, group, group) != 0 || setresuid(user, user, user) != 0)
        return fault_set(fault, "cannot become the owner of %s (uid %u): %s", state->dir,
                         (unsigned)user, strerror(errno));
    return 0;
}

int state_create(const struct state *state, struct fault *fault)
{
    return file_directory(state->dir, 0700, fault);
}

int state_lock(struct state *state, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, "lock", path, fault) != 0)
        return -1;
    return file_lock(path, &state->lock, fault);
}

void state_release(struct state *state)
{
    if (state->lock >= 0)
        close(state->lock);
    state->lock = -1;
}

int state_path(const struct state *state, const char *name, char *out, struct fault *fault)
{
    return file_join(state->dir, name, out, STATE_PATH_SIZE, fault);
}

int state_socket_path(const struct state *state, char *out, struct fault *fault)
{
    if (state_path(state, "agent.sock", out, fault) != 0)
        return -1;
    size_t most = sizeof((struct sockaddr_un *)0)->sun_path;
    if (strlen(out) < most)
        return 0;
    return fault_set(fault,
                     "the state directory's name is too long: its socket %s must be shorter than "
                     "%zu characters; choose another with --state",
                     out, most);
}

/* 1: there, 0: not there. */
static int exists(const struct state *state, const char *name, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    struct stat status;
    if (state_path(state, name, path, fault) != 0)
        return -1;
    if (lstat(path, &status) == 0)
        return 1;
    if (errno == ENOENT || errno == ENOTDIR)
        return 0;
    return fault_set(fault, "%s: %s", path, strerror(errno));
}

static int copied_keyfile(const struct state *state, struct keyfile *keyfile, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, "keyfile", path, fault) != 0)
        return -1;
    return keyfile_read(path, keyfile, fault);
}

static int look_pending(const struct state *state, char site[NAME_SIZE], struct fault *fault)
{
    struct keyfile keyfile = {0};
    if (copied_keyfile(state, &keyfile, fault) != 0)
        return -1;
    text_copy(site, NAME_SIZE, keyfile.site);
    keyfile_release(&keyfile);
    return 0;
}

static int look_enrolled(const struct state *state, char site[NAME_SIZE], struct fault *fault)
{
    struct agent_settings settings = {0};
    int key = exists(state, "key", fault);
    if (key < 0)
        return -1;
    if (key == 0)
        return fault_set(
            fault,
            "%s has an agent.yaml but no key: remove the directory and enrol with a new "
            "keyfile",
            state->dir);
    if (state_settings(state, &settings, fault) != 0)
        return -1;
    text_copy(site, NAME_SIZE, settings.site);
    agent_settings_release(&settings);
    return 0;
}

int state_look(const struct state *state, enum state_stage *stage, char site[NAME_SIZE],
               struct fault *fault)
{
    int keyfile = exists(state, "keyfile", fault);
    int settings = keyfile < 0 ? -1 : exists(state, "agent.yaml", fault);
    if (settings < 0)
        return -1;
    site[0] = '\0';
    if (keyfile == 1) {
        if (look_pending(state, site, fault) != 0)
            return -1;
        *stage = STATE_PENDING;
        return 0;
    }
    if (settings == 1) {
        if (look_enrolled(state, site, fault) != 0)
            return -1;
        *stage = STATE_ENROLLED;
        return 0;
    }
    *stage = STATE_EMPTY;
    return 0;
}

/* --- agent.yaml ------------------------------------------------------------------------------- */

static void write_scalar(FILE *out, const char *before, const char *text)
{
    char *quoted = yaml_quote(text);
    if (quoted != NULL)
        fprintf(out, "%s%s\n", before, quoted);
    else
        fputs("!", out); /* out of memory: what was written is refused when it is read back */
    free(quoted);
}

static void write_list(FILE *out, const char *name, const struct text_list *list)
{
    fprintf(out, "%s:%s\n", name, list->count == 0 ? " []" : "");
    for (size_t i = 0; i < list->count; i++)
        write_scalar(out, "  - ", list->items[i]);
}

static void write_known(FILE *out, const struct keyfile *keyfile)
{
    char text[HOST_PORT_SIZE];
    write_scalar(out, "site: ", keyfile->site);
    fputs("hub:\n", out);
    for (size_t i = 0; i < keyfile->hub.count; i++)
        write_scalar(
            out, "  - ",
            host_port_format(keyfile->hub.items[i].host, keyfile->hub.items[i].port, text));
    write_list(out, "host_keys", &keyfile->host_keys);
    write_list(out, "allow_targets", &keyfile->allow_targets);
}

/* What the keyfile says, the defaults for all else. */
static int fresh_settings(const struct keyfile *keyfile, struct agent_settings *out,
                          struct fault *fault)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return fault_set(fault, "out of memory");
    write_known(stream, keyfile);
    int rc = fclose(stream) == 0 ? agent_settings_parse(text, length, "the keyfile", out, fault)
                                 : fault_set(fault, "out of memory");
    free(text);
    return rc;
}

int state_adopt(const struct state *state, const struct keyfile *keyfile, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    struct agent_settings settings = {0};
    int there = exists(state, "agent.yaml", fault);
    if (there < 0 || state_path(state, "agent.yaml", path, fault) != 0)
        return -1;
    int rc = there == 1 ? agent_settings_load(path, &settings, fault)
                        : fresh_settings(keyfile, &settings, fault);
    if (rc != 0)
        return -1;
    struct agent_settings changed = settings; /* borrows from both */
    changed.hubs = keyfile->hub;
    changed.host_keys = keyfile->host_keys;
    changed.allow_targets = keyfile->allow_targets;
    rc = agent_settings_save(path, &changed, fault);
    agent_settings_release(&settings);
    return rc;
}

/* --- from stage to stage ---------------------------------------------------------------------- */

static int write_keyfile(const struct state *state, const struct keyfile *keyfile,
                         struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, "keyfile", path, fault) != 0)
        return -1;
    char *text = keyfile_format(keyfile);
    if (text == NULL)
        return fault_set(fault, "out of memory");
    int rc = file_write(path, text, strlen(text), 0600, fault);
    secret_wipe(text, strlen(text));
    free(text);
    return rc;
}

static int write_key(const struct state *state, struct fault *fault)
{
    char path[STATE_PATH_SIZE], public_path[STATE_PATH_SIZE];
    ssh_key key = NULL;
    struct public_key public;
    int there = exists(state, "key", fault);
    if (there < 0 || state_path(state, "key", path, fault) != 0 ||
        state_path(state, "key.pub", public_path, fault) != 0)
        return -1;
    if (there == 0 && site_key_make(path, fault) != 0)
        return -1;
    CRASH_POINT("agent.key_written");
    if (site_key_load(path, &key, &public, fault) != 0)
        return -1;
    ssh_key_free(key);
    return site_key_write_public(public_path, &public, fault);
}

int state_prepare(const struct state *state, const struct keyfile *keyfile, struct fault *fault)
{
    if (write_keyfile(state, keyfile, fault) != 0)
        return -1;
    CRASH_POINT("agent.keyfile_stored");
    if (state_adopt(state, keyfile, fault) != 0)
        return -1;
    CRASH_POINT("agent.settings_written");
    return write_key(state, fault);
}

int state_complete(const struct state *state, struct fault *fault)
{
    struct keyfile keyfile = {0};
    int settings = exists(state, "agent.yaml", fault);
    int key = settings < 0 ? -1 : exists(state, "key", fault);
    if (key < 0)
        return -1;
    if (settings == 1 && key == 1)
        return 0;
    if (copied_keyfile(state, &keyfile, fault) != 0)
        return -1;
    int rc = state_prepare(state, &keyfile, fault);
    keyfile_release(&keyfile);
    return rc;
}

int state_withdraw(const struct state *state, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, "agent.yaml", path, fault) != 0 || file_remove(path, fault) != 0)
        return -1;
    return state_activated(state, fault);
}

int state_activated(const struct state *state, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, "keyfile", path, fault) != 0)
        return -1;
    CRASH_POINT("agent.before_removal");
    return file_remove(path, fault);
}

int state_settings(const struct state *state, struct agent_settings *settings, struct fault *fault)
{
    char path[STATE_PATH_SIZE];
    if (state_path(state, "agent.yaml", path, fault) != 0)
        return -1;
    if (agent_settings_load(path, settings, fault) != 0)
        return -1;
    struct proxy proxy = {.kind = PROXY_NONE};
    if (settings->proxy[0] != '\0' && proxy_parse(settings->proxy, &proxy, fault) != 0) {
        agent_settings_release(settings);
        return fault_prefix(fault, "%s: proxy", path);
    }
    proxy_wipe(&proxy);
    for (size_t i = 0; i < settings->host_keys.count; i++) {
        struct public_key key;
        if (public_key_from_line(settings->host_keys.items[i], &key, fault) == 0)
            continue;
        agent_settings_release(settings);
        return fault_prefix(fault, "%s: host_keys, entry %zu", path, i + 1);
    }
    return 0;
}

int state_token(const struct state *state, struct token *token, struct fault *fault)
{
    struct keyfile keyfile = {0};
    int there = exists(state, "keyfile", fault);
    if (there != 1)
        return there;
    if (copied_keyfile(state, &keyfile, fault) != 0)
        return -1;
    *token = keyfile.token;
    keyfile_release(&keyfile);
    return 1;
}

/* --- the hub that worked last ----------------------------------------------------------------- */

void state_last_hub(const struct state *state, char hub[HOST_PORT_SIZE])
{
    char path[STATE_PATH_SIZE];
    char *text = NULL;
    size_t length = 0;
    hub[0] = '\0';
    if (state_path(state, "last_hub", path, NULL) != 0 ||
        file_read(path, HOST_PORT_SIZE, &text, &length, NULL) != 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    (void)text_copy(hub, HOST_PORT_SIZE, text);
    free(text);
}

int state_remember_hub(const struct state *state, const char *hub, struct fault *fault)
{
    char path[STATE_PATH_SIZE], line[HOST_PORT_SIZE + 1], before[HOST_PORT_SIZE];
    state_last_hub(state, before);
    if (strcmp(before, hub) == 0)
        return 0;
    int length = snprintf(line, sizeof line, "%s\n", hub);
    if (state_path(state, "last_hub", path, fault) != 0)
        return -1;
    return file_write(path, line, (size_t)length, 0600, fault);
}
