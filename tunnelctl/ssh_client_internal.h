/* Shared by ssh_client.c (session), ssh_client_login.c and ssh_client_channel.c. */
#ifndef TUNNELCTL_SSH_CLIENT_INTERNAL_H
#define TUNNELCTL_SSH_CLIENT_INTERNAL_H

#include <libssh2.h>

#include "tunnelctl/ssh_client.h"
#include "tunnelctl/wire.h"

#define REMARK_SIZE 512

struct ssh_client {
    struct wire wire;
    LIBSSH2_SESSION *ssh;
    LIBSSH2_CHANNEL *channel; /* NULL until open */
    bool closed;              /* by the hub */
    bool freeing;             /* whatever is asked of the wire fails */
    char remark[REMARK_SIZE]; /* the hub's last debug or disconnect message */
};

/* A time limit, and what is waited for. */
struct patience {
    uint64_t end_ms;
    uint64_t timeout_ms;
    const char *doing; /* "log in" */
};

struct patience patience_of(uint64_t timeout_ms, const char *doing);
/* After LIBSSH2_ERROR_EAGAIN: until there is something to go on with. */
enum outcome ssh_client_wait(struct ssh_client *client, const struct patience *patience,
                             struct fault *fault) MUST_CHECK;
/* The sentence for a session that broke; returns UNREACHABLE. */
enum outcome ssh_client_lost(struct ssh_client *client, struct fault *fault);

#endif
