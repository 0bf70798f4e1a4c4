/*
 * Opening and keeping the `forwards` channel.  Bytes arrive in libssh's data callback and are only
 * collected there; lines are handed out by subscription_step, outside of libssh.  What a line means
 * is not known here.
 */
#define _GNU_SOURCE
#include "subscription.h"

#include <libssh/callbacks.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/frames.h"

#define LINES_MAX_BYTES (2u << 20) /* the hub sends at most half of it in one line */
#define QUEUE_MAX_BYTES (2u << 20) /* one answer of full length fits beside what waits */
#define COMMAND         "forwards"

enum step { STEP_OPENING, STEP_REQUESTING, STEP_OPEN };

struct subscription {
    ssh_session session; /* borrowed */
    ssh_channel channel; /* the session's */
    struct ssh_channel_callbacks_struct callbacks;
    enum step step;
    struct frames frames;
    bool ended, overrun;
    char *queue; /* what libssh has not taken yet */
    size_t queued, sent;
};

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t length,
                   int is_stderr, void *userdata)
{
    (void)session;
    (void)channel;
    struct subscription *subscription = userdata;
    if (!is_stderr && !subscription->overrun &&
        frames_feed(&subscription->frames, data, length, NULL) != 0)
        subscription->overrun = true;
    return (int)length;
}

static void on_end(ssh_session session, ssh_channel channel, void *userdata)
{
    (void)session;
    (void)channel;
    ((struct subscription *)userdata)->ended = true;
}

int subscription_new(ssh_session session, struct subscription **out, struct fault *fault)
{
    struct subscription *subscription = calloc(1, sizeof *subscription);
    ssh_channel channel = ssh_channel_new(session);
    if (subscription == NULL || channel == NULL) {
        free(subscription);
        return fault_set(fault, "out of memory");
    }
    subscription->session = session;
    subscription->channel = channel;
    frames_init(&subscription->frames, LINES_MAX_BYTES);
    subscription->callbacks.userdata = subscription;
    subscription->callbacks.channel_data_function = on_data;
    subscription->callbacks.channel_eof_function = on_end;
    subscription->callbacks.channel_close_function = on_end;
    ssh_callbacks_init(&subscription->callbacks);
    if (ssh_set_channel_callbacks(channel, &subscription->callbacks) != SSH_OK) {
        subscription_free(subscription);
        return fault_set(fault, "out of memory");
    }
    *out = subscription;
    return 0;
}

void subscription_free(struct subscription *subscription)
{
    if (subscription == NULL)
        return;
    frames_release(&subscription->frames);
    free(subscription->queue);
    free(subscription);
}

/* libssh answers SSH_AGAIN until the hub has answered. */
static int advance(struct subscription *subscription, struct fault *fault)
{
    int rc = SSH_OK;
    if (subscription->step == STEP_OPENING) {
        rc = ssh_channel_open_session(subscription->channel);
        if (rc == SSH_OK)
            subscription->step = STEP_REQUESTING;
    }
    if (rc == SSH_OK && subscription->step == STEP_REQUESTING) {
        rc = ssh_channel_request_exec(subscription->channel,
                                      COMMAND " tunnel-agent/" TUNNEL_VERSION);
        if (rc == SSH_OK)
            subscription->step = STEP_OPEN;
    }
    if (rc == SSH_OK || rc == SSH_AGAIN)
        return 0;
    return fault_set(fault, "the hub refuses the command '" COMMAND "': %s",
                     ssh_get_error(subscription->session));
}

static int flush(struct subscription *subscription, struct fault *fault)
{
    while (subscription->sent < subscription->queued) {
        size_t left = subscription->queued - subscription->sent;
        if (ssh_get_status(subscription->session) & SSH_WRITE_PENDING)
            return 0;
        int wrote = ssh_channel_write(subscription->channel,
                                      subscription->queue + subscription->sent, (uint32_t)left);
        if (wrote < 0)
            return fault_set(fault, "cannot write to the '" COMMAND "' channel: %s",
                             ssh_get_error(subscription->session));
        if (wrote == 0)
            return 0; /* no window, or keys are being exchanged */
        subscription->sent += (size_t)wrote;
    }
    subscription->queued = subscription->sent = 0;
    return 0;
}

enum subscription_result subscription_step(struct subscription *subscription, json_t **line,
                                           struct fault *fault)
{
    if (subscription->step != STEP_OPEN && advance(subscription, fault) != 0)
        return SUBSCRIPTION_LOST;
    if (subscription->step == STEP_OPEN && !subscription->ended && flush(subscription, fault) != 0)
        return SUBSCRIPTION_LOST;
    int rc = frames_next(&subscription->frames, line, fault);
    if (rc == 1)
        return SUBSCRIPTION_LINE;
    if (rc < 0) {
        fault_prefix(fault, "a line on the '" COMMAND "' channel");
        return SUBSCRIPTION_LOST;
    }
    if (subscription->overrun)
        fault_set(fault, "a line on the '" COMMAND "' channel is too long");
    else if (subscription->ended)
        fault_set(fault, "the hub closed the '" COMMAND "' channel");
    else
        return SUBSCRIPTION_WAIT;
    return SUBSCRIPTION_LOST;
}

bool subscription_send(struct subscription *subscription, const json_t *line)
{
    size_t length = 0;
    char *text = frame_text(line, &length);
    if (text == NULL || subscription->queued + length > QUEUE_MAX_BYTES) {
        free(text);
        return false;
    }
    char *grown = realloc(subscription->queue, subscription->queued + length);
    if (grown != NULL) {
        memcpy(grown + subscription->queued, text, length);
        subscription->queue = grown;
        subscription->queued += length;
    }
    free(text);
    /* At once, so that it overtakes nothing that is said on other channels later.  A failure
     * comes again in the next step. */
    if (grown != NULL && subscription->step == STEP_OPEN && !subscription->ended)
        (void)flush(subscription, NULL);
    return grown != NULL;
}
