/* The options that lead an operator to a hub, and the way there.  What is done there, the commands
 * know. */
#define _GNU_SOURCE
#include "tunnelctl/access.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tunnelctl/dial.h"
#include "tunnelctl/known_hosts.h"

static const char *typed(const struct invocation *invocation, const char *name)
{
    return json_string_value(json_object_get(invocation->typed, name));
}

bool access_is_wanted(const struct invocation *invocation)
{
    return typed(invocation, "--hub") || typed(invocation, "--user") ||
           typed(invocation, "--identity");
}

static int default_known_hosts(char path[PATH_MAX], struct fault *fault)
{
    const char *home = getenv("HOME");
    if (!home || !*home) {
        const struct passwd *user = getpwuid(getuid());
        home = user ? user->pw_dir : "/";
    }
    return file_join(home, ".ssh/known_hosts", path, PATH_MAX, fault);
}

enum outcome access_read(const struct invocation *invocation, struct access *access,
                         struct fault *fault)
{
    const char *hub = typed(invocation, "--hub"), *user = typed(invocation, "--user");
    const char *identity = typed(invocation, "--identity");
    const char *known_hosts = typed(invocation, "--known-hosts");
    *access = (struct access){.hub.port = 0};
    if (!hub || !user) {
        fault_set(fault, "'%s' needs %s", invocation->command->words,
                  hub ? "--user NAME" : "--hub HOST:PORT");
        return USAGE;
    }
    if (host_port_parse(hub, false, &access->hub, fault) < 0)
        return REFUSED;
    (void)text_copy(access->user, sizeof(access->user), user);
    if (known_hosts && !text_copy(access->known_hosts, sizeof(access->known_hosts), known_hosts)) {
        fault_set(fault, "--known-hosts is too long");
        return REFUSED;
    }
    if (!known_hosts && default_known_hosts(access->known_hosts, fault) < 0)
        return REFUSED;
    if (identity && identity_read(identity, &access->identity, fault) < 0)
        return REFUSED;
    access->has_identity = identity != NULL;
    return DONE;
}

void access_release(struct access *access)
{
    identity_release(&access->identity);
}

enum outcome access_dial(const struct access *access, struct ssh_client **client, char *peer,
                         struct fault *fault)
{
    int socket;
    if (dial(&access->hub, ACCESS_WAIT_MS, &socket, peer, fault) < 0) {
        fault_prefix(fault, "the hub cannot be reached");
        return UNREACHABLE;
    }
    return ssh_client_new(socket, client, fault) < 0 ? REFUSED : DONE;
}

enum outcome access_meet(const struct access *access, struct ssh_client *client,
                         struct public_key *host_key, struct fault *fault)
{
    enum outcome outcome = ssh_client_handshake(client, ACCESS_WAIT_MS, host_key, fault);
    if (outcome == DONE &&
        known_hosts_check(access->known_hosts, &access->hub, host_key, fault) < 0)
        outcome = REFUSED;
    return outcome;
}

enum outcome access_login(const struct access *access, struct ssh_client *client,
                          char print[FINGERPRINT_SIZE], struct fault *fault)
{
    return ssh_client_login(client, ACCESS_WAIT_MS, access->user,
                            access->has_identity ? &access->identity : NULL, print, fault);
}
