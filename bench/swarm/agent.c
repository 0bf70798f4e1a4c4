/*
 * One agent: its states from waiting to being up, with a step for each that goes as far as it can
 * without waiting.  It comes back by the rule of tunnel-agent (retry.h).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "swarm.h"

/* As tunnel-agent's settings by default. */
#define STATE_TIMEOUT_MS 10000
#define KEEPALIVE_MS     30000
#define DEAD_PEER_MS     75000
#define ROUNDS_MAX       64
#define STEADY_MS        10000 /* a session that lived this long ends the growing of delays */

enum progress { LOST = -1, LATER, DONE };

static enum progress progress_of(ssize_t rc)
{
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return LATER;
    return rc == 0 ? DONE : LOST;
}

static void set_state(struct agent *agent, enum agent_state next, uint64_t limit_ms)
{
    struct tally *tally = &agent->swarm->tally;
    if (agent->state == AGENT_WAITING)
        tally->waiting--;
    if (next == AGENT_WAITING)
        tally->waiting++;
    agent->state = next;
    agent->due_ms = clock_monotonic_ms() + limit_ms;
}

/* --- the end of a session --------------------------------------------------------------------- */

static void end_session(struct agent *agent, uint64_t delay_ms)
{
    if (agent->state == AGENT_UP)
        report_up(agent->swarm, -1);
    serve_release(agent);
    wire_close(agent);
    frames_release(&agent->frames);
    agent->channel = NULL;
    agent->has_list = false;
    agent->forward_count = 0;
    agent->answer[0] = '\0';
    set_state(agent, AGENT_WAITING, delay_ms);
}

void agent_failed(struct agent *agent, const char *reason)
{
    struct tally *tally = &agent->swarm->tally;
    if (agent->state == AGENT_UP && clock_monotonic_ms() - agent->up_ms >= STEADY_MS)
        retry_reset(&agent->retry);
    tally->lost++;
    (void)snprintf(tally->last_reason, sizeof tally->last_reason, "%s (%s): %s", agent->name,
                   agent_state_name(agent->state), reason);
    end_session(agent, retry_next_ms(&agent->retry, retry_random()));
}

void agent_drop(struct agent *agent)
{
    retry_reset(&agent->retry);
    end_session(agent, 0);
}

void agent_release(struct agent *agent)
{
    if (agent->state == AGENT_UP)
        (void)libssh2_session_disconnect(agent->ssh, "the swarm ends");
    if (agent->socket >= 0)
        (void)wire_flush(agent);
    end_session(agent, 0);
    key_release(&agent->key);
}

/* --- steps ------------------------------------------------------------------------------------ */

static enum progress step_connecting(struct agent *agent)
{
    int fault = 0;
    socklen_t length = sizeof fault;
    if (getsockopt(agent->socket, SOL_SOCKET, SO_ERROR, &fault, &length) != 0 || fault != 0)
        return LOST;
    return wire_open_ssh(agent) ? DONE : LOST;
}

static enum progress step_key_exchange(struct agent *agent)
{
    return progress_of(libssh2_session_handshake(agent->ssh, agent->socket));
}

static int login(struct agent *agent, const char *user)
{
    return libssh2_userauth_publickey(agent->ssh, user, agent->key.blob, KEY_BLOB_SIZE, key_sign,
                                      &agent->signing);
}

/* Partial success looks like a refusal to libssh2; without it the token would be refused. */
static enum progress step_proving_key(struct agent *agent)
{
    int rc = login(agent, "enrol");
    if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
        return DONE;
    return progress_of(rc);
}

static void answer_prompts(const char *name, int name_length, const char *instruction,
                           int instruction_length, int count,
                           const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                           LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **abstract)
{
    (void)name, (void)name_length, (void)instruction, (void)instruction_length, (void)prompts;
    const struct agent *agent = *abstract;
    for (int i = 0; i < count; i++) {
        responses[i].text = strdup(agent->token);
        responses[i].length = responses[i].text != NULL ? (unsigned)strlen(agent->token) : 0;
    }
}

static enum progress step_redeeming(struct agent *agent)
{
    enum progress progress =
        progress_of(libssh2_userauth_keyboard_interactive(agent->ssh, "enrol", answer_prompts));
    if (progress != DONE)
        return progress;
    agent->token[0] = '\0'; /* the key is enough from now on */
    agent_drop(agent);
    return LATER;
}

static enum progress step_logging_in(struct agent *agent)
{
    const char *user = agent->swarm->options.user;
    int rc = login(agent, user != NULL ? user : agent->name);
    if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
        agent->swarm->tally.refused++;
    else if (rc == 0)
        agent->swarm->tally.logins++;
    return progress_of(rc);
}

static enum progress step_opening(struct agent *agent)
{
    agent->channel = libssh2_channel_open_session(agent->ssh);
    if (agent->channel == NULL)
        return progress_of(libssh2_session_last_errno(agent->ssh));
    frames_init(&agent->frames, FRAME_LINE_MAX);
    return DONE;
}

static enum progress step_asking(struct agent *agent)
{
    return progress_of(libssh2_channel_exec(agent->channel, "forwards swarm"));
}

static enum progress step_listing(struct agent *agent)
{
    return (enum progress)list_read(agent);
}

static enum progress step_publishing(struct agent *agent)
{
    enum progress progress = (enum progress)list_publish(agent);
    if (progress == LOST)
        agent->swarm->tally.refused++;
    return progress;
}

static enum progress step_up(struct agent *agent)
{
    if (agent->swarm->options.user != NULL)
        return serve_turn(agent) ? LATER : LOST;
    if (list_read(agent) < 0 || list_publish(agent) < 0 || list_answer(agent) < 0 ||
        !serve_turn(agent))
        return LOST;
    return LATER;
}

static const struct {
    const char *name;
    enum progress (*step)(struct agent *agent);
    enum agent_state next;
} STATES[AGENT_STATES] = {
    [AGENT_WAITING] = {"waiting", NULL, AGENT_CONNECTING},
    [AGENT_CONNECTING] = {"connecting", step_connecting, AGENT_KEY_EXCHANGE},
    [AGENT_KEY_EXCHANGE] = {"key exchange", step_key_exchange, AGENT_LOGGING_IN},
    [AGENT_PROVING_KEY] = {"proving its key", step_proving_key, AGENT_REDEEMING},
    [AGENT_REDEEMING] = {"redeeming", step_redeeming, AGENT_WAITING},
    [AGENT_LOGGING_IN] = {"logging in", step_logging_in, AGENT_OPENING},
    [AGENT_OPENING] = {"opening", step_opening, AGENT_ASKING},
    [AGENT_ASKING] = {"asking", step_asking, AGENT_LISTING},
    [AGENT_LISTING] = {"listing", step_listing, AGENT_PUBLISHING},
    [AGENT_PUBLISHING] = {"publishing", step_publishing, AGENT_UP},
    [AGENT_UP] = {"up", step_up, AGENT_UP},
};

const char *agent_state_name(enum agent_state state)
{
    return STATES[state].name;
}

static void came_up(struct agent *agent)
{
    agent->up_ms = clock_monotonic_ms();
    report_login(agent->swarm, agent->up_ms - agent->began_ms);
    report_up(agent->swarm, 1);
    agent->due_ms = agent->up_ms + KEEPALIVE_MS;
}

static void advance(struct agent *agent)
{
    enum agent_state next = STATES[agent->state].next;
    if (agent->state == AGENT_KEY_EXCHANGE && agent->token[0] != '\0')
        next = AGENT_PROVING_KEY;
    if (agent->state == AGENT_LOGGING_IN && agent->swarm->options.user != NULL) {
        next = AGENT_PUBLISHING;
        agent->forwards[0] = (struct published){.address = "127.0.0.1", .wanted = true};
        agent->forward_count = 1;
    }
    set_state(agent, next, STATE_TIMEOUT_MS);
    if (next == AGENT_UP)
        came_up(agent);
}

static void fail_with_libssh2(struct agent *agent)
{
    char *text = NULL, reason[REASON_SIZE] = "the connection was lost";
    if (agent->ssh != NULL && libssh2_session_last_error(agent->ssh, &text, NULL, 0) != 0 && text)
        (void)snprintf(reason, sizeof reason, "%s", text);
    agent_failed(agent, reason);
}

/* As far as the state can go; false: there is no session any more. */
static bool go_on(struct agent *agent)
{
    enum progress progress = DONE;
    while (progress == DONE && agent->state != AGENT_WAITING) {
        progress = STATES[agent->state].step(agent);
        if (progress == DONE)
            advance(agent);
    }
    if (agent->state == AGENT_WAITING) /* redeemed */
        return false;
    if (progress == LOST)
        fail_with_libssh2(agent);
    else if (!wire_flush(agent))
        agent_failed(agent, "the connection was lost");
    return agent->state != AGENT_WAITING;
}

/* Reading one channel, libssh2 may put aside what belongs to another: once more after progress. */
void agent_turn(struct agent *agent, uint32_t events)
{
    uint64_t before;
    unsigned rounds = 0;
    if (agent->state == AGENT_CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
        return;
    do {
        before = agent->moved;
        if (!go_on(agent))
            return;
    } while (agent->moved != before && ++rounds < ROUNDS_MAX);
    if (rounds == ROUNDS_MAX && agent->state == AGENT_UP)
        agent->due_ms = 0; /* the others' turn; this one goes on with the next tick */
}

void agent_dial(struct agent *agent)
{
    agent->began_ms = agent->heard_ms = clock_monotonic_ms();
    set_state(agent, AGENT_CONNECTING, STATE_TIMEOUT_MS);
    if (!wire_connect(agent))
        agent_failed(agent, "cannot connect");
}

/* The hub probes an agent that is silent, and libssh2 answers; had we probes of our own, which
 * libssh2 sends without a way to see their answers, the hub would hear us and be silent itself.  A
 * stock sshd does not probe. */
static void check_liveness(struct agent *agent)
{
    uint64_t now_ms = clock_monotonic_ms();
    int seconds = 0;
    agent->due_ms = now_ms + KEEPALIVE_MS / 2;
    if (agent->swarm->options.user == NULL) {
        if (now_ms - agent->heard_ms < DEAD_PEER_MS)
            return;
        agent->swarm->tally.timeouts++;
        agent_failed(agent, "nothing heard from the hub");
        return;
    }
    if (now_ms - agent->heard_ms < KEEPALIVE_MS)
        return;
    libssh2_keepalive_config(agent->ssh, 0, 2); /* no answer wanted: libssh2 would keep it */
    (void)libssh2_keepalive_send(agent->ssh, &seconds);
    if (!wire_flush(agent))
        agent_failed(agent, "the connection was lost");
}

void agent_due(struct agent *agent)
{
    if (agent->state == AGENT_WAITING) {
        agent_dial(agent);
    } else if (agent->state == AGENT_UP) {
        check_liveness(agent);
        if (agent->state == AGENT_UP)
            agent_turn(agent, EPOLLIN);
    } else {
        agent->swarm->tally.timeouts++;
        agent_failed(agent, "the hub did not answer in time");
    }
}
