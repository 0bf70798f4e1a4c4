/* Whose log lines are written, and how many: while a session is served, those of its own level. */
#define _GNU_SOURCE
#include "base/log.h"
#include "ssh/stream_internal.h"

void transport_match_log(void)
{
    /* What 0.10 says of the protocol, 0.11 says one level below. */
    int trace = ssh_version(SSH_VERSION_INT(0, 11, 0)) ? SSH_LOG_PACKET : SSH_LOG_PROTOCOL;

    if (ssh_get_log_callback()) /* without one libssh would write to standard error by itself */
        (void)ssh_set_log_level(log_enabled(LOG_TRACE) ? trace : SSH_LOG_NOLOG);
}

static struct transport_scope enter(int level, void *owner)
{
    struct transport_scope before = {log_scope(level), ssh_get_log_userdata()};

    (void)ssh_set_log_userdata(owner);
    transport_match_log();
    return before;
}

struct transport_scope transport_enter(const struct transport *transport)
{
    return enter(transport->log_level, transport->owner);
}

void transport_leave(struct transport_scope before)
{
    (void)enter(before.level, before.owner);
}

void transport_set_log_level(struct transport *transport, int level)
{
    transport->log_level = level;
}
