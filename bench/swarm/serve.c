/*
 * Visitors' connections: each gets back what it sends, under the channel's window.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "swarm.h"

#define READ_BYTES 32700 /* one packet of libssh2 */

static void forget(struct agent *agent, struct served *served)
{
    TAILQ_REMOVE(&agent->served, served, entry);
    agent->swarm->tally.open_channels--;
    free(served->rest);
    free(served);
}

static bool accept_all(struct agent *agent, LIBSSH2_LISTENER *listener)
{
    LIBSSH2_CHANNEL *channel;
    while ((channel = libssh2_channel_forward_accept(listener)) != NULL) {
        struct served *served = calloc(1, sizeof *served);
        if (served == NULL)
            return false;
        served->channel = channel;
        TAILQ_INSERT_TAIL(&agent->served, served, entry);
        agent->swarm->tally.open_channels++;
        agent->swarm->tally.channels++;
    }
    return libssh2_session_last_errno(agent->ssh) == LIBSSH2_ERROR_EAGAIN;
}

/* 1: all of it is written, 0: later, -1: the session is lost. */
static int write_rest(struct agent *agent, struct served *served)
{
    while (served->sent < served->length) {
        ssize_t count = libssh2_channel_write(served->channel, served->rest + served->sent,
                                              served->length - served->sent);
        if (count == LIBSSH2_ERROR_EAGAIN || count == 0)
            return 0;
        if (count < 0)
            return count == LIBSSH2_ERROR_CHANNEL_CLOSED || count == LIBSSH2_ERROR_CHANNEL_EOF_SENT
                       ? 1
                       : -1;
        served->sent += (size_t)count;
        agent->swarm->tally.echoed_bytes += (uint64_t)count;
    }
    free(served->rest);
    served->rest = NULL;
    served->length = served->sent = 0;
    return 1;
}

/* 1: there may be more, 0: nothing now, or the end; -1: out of memory, or the session is lost. */
static int read_more(struct served *served)
{
    char bytes[READ_BYTES];
    ssize_t count = libssh2_channel_read(served->channel, bytes, sizeof bytes);
    if (count == LIBSSH2_ERROR_EAGAIN)
        return 0;
    if (count < 0 && count != LIBSSH2_ERROR_CHANNEL_CLOSED)
        return -1;
    if (count <= 0) {
        served->ended = libssh2_channel_eof(served->channel) != 0;
        return 0;
    }
    served->rest = malloc((size_t)count);
    if (served->rest == NULL)
        return -1;
    memcpy(served->rest, bytes, (size_t)count);
    served->length = (size_t)count;
    served->sent = 0;
    return 1;
}

/* 1: it is gone, 0: it stays, -1: the session is lost. */
static int end(struct agent *agent, struct served *served)
{
    if (!served->closing && libssh2_channel_send_eof(served->channel) == LIBSSH2_ERROR_EAGAIN)
        return 0;
    served->closing = true;
    if (libssh2_channel_free(served->channel) == LIBSSH2_ERROR_EAGAIN)
        return 0;
    forget(agent, served);
    return 1;
}

static int echo(struct agent *agent, struct served *served)
{
    int rc = 1;
    while (rc == 1 && !served->ended && !wire_is_full(agent)) {
        rc = write_rest(agent, served);
        if (rc == 1)
            rc = read_more(served);
    }
    if (rc < 0 || !served->ended)
        return rc;
    return end(agent, served);
}

bool serve_turn(struct agent *agent)
{
    struct served *served, *next;
    for (size_t i = 0; i < agent->forward_count; i++)
        if (agent->forwards[i].listener != NULL && !accept_all(agent, agent->forwards[i].listener))
            return false;
    for (served = TAILQ_FIRST(&agent->served); served != NULL; served = next) {
        next = TAILQ_NEXT(served, entry);
        if (echo(agent, served) < 0)
            return false;
    }
    return true;
}

void serve_release(struct agent *agent)
{
    struct served *served;
    while ((served = TAILQ_FIRST(&agent->served)) != NULL)
        forget(agent, served);
}
