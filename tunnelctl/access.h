/*
 * How an operator gets to a hub: the options that `connect` and `probe` share, and the steps they
 * share.
 */
#ifndef TUNNELCTL_ACCESS_H
#define TUNNELCTL_ACCESS_H

#include <limits.h>

#include "base/address.h"
#include "base/text.h"
#include "tunnelctl/command.h"
#include "tunnelctl/identity.h"
#include "tunnelctl/ssh_client.h"

#define ACCESS_WAIT_MS 10000 /* for connecting, and for each answer of the hub */
/* A site may have to dial a target that does not answer. */
#define ACCESS_OPEN_MS 60000

struct access {
    struct host_port hub;
    char user[NAME_SIZE];
    char known_hosts[PATH_MAX];
    bool has_identity;
    struct identity identity;
};

/* One of the options that lead through SSH was given. */
bool access_is_wanted(const struct invocation *invocation);
/* Reads the options, and the identity.  Always to be released. */
enum outcome access_read(const struct invocation *invocation, struct access *access,
                         struct fault *fault) MUST_CHECK;
void access_release(struct access *access);

/* The steps, in this order.  `peer` holds HOST_PORT_SIZE; `host_key` is known when DONE. */
enum outcome access_dial(const struct access *access, struct ssh_client **client, char *peer,
                         struct fault *fault) MUST_CHECK;
enum outcome access_meet(const struct access *access, struct ssh_client *client,
                         struct public_key *host_key, struct fault *fault) MUST_CHECK;
enum outcome access_login(const struct access *access, struct ssh_client *client,
                          char print[FINGERPRINT_SIZE], struct fault *fault) MUST_CHECK;

#endif
