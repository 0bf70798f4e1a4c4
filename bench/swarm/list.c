/*
 * The `forwards` channel: reading the hub's list, publishing what stands in it, answering.  Every
 * target is allowed here, and none is dialled: visitors are answered by serve.c.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "swarm.h"

#define QUEUE 64 /* connections that wait to be taken by serve.c */

static struct published *find(struct agent *agent, const char *address, int port)
{
    for (size_t i = 0; i < agent->forward_count; i++) {
        struct published *forward = &agent->forwards[i];
        if (forward->port == port && strcmp(forward->address, address) == 0)
            return forward;
    }
    return NULL;
}

static void take_forward(struct agent *agent, const json_t *entry)
{
    const char *address = json_string_value(json_object_get(entry, "address"));
    int port = (int)json_integer_value(json_object_get(entry, "port"));
    if (address == NULL || port <= 0)
        return;
    struct published *forward = find(agent, address, port);
    if (forward == NULL && agent->forward_count < FORWARDS_MAX) {
        forward = &agent->forwards[agent->forward_count++];
        *forward = (struct published){.port = port};
        (void)snprintf(forward->address, sizeof forward->address, "%s", address);
    }
    if (forward != NULL)
        forward->wanted = true;
}

static void take_list(struct agent *agent, const json_t *line)
{
    const json_t *list = json_object_get(line, "forwards"), *entry;
    size_t i;
    if (!json_is_array(list))
        return;
    for (i = 0; i < agent->forward_count; i++)
        agent->forwards[i].wanted = false;
    json_array_foreach((json_t *)(uintptr_t)list, i, entry) take_forward(agent, entry);
    agent->generation = json_integer_value(json_object_get(line, "generation"));
    agent->has_list = true;
}

int list_read(struct agent *agent)
{
    char bytes[4096];
    ssize_t count;
    json_t *line;
    int rc;
    while ((count = libssh2_channel_read(agent->channel, bytes, sizeof bytes)) > 0)
        if (frames_feed(&agent->frames, bytes, (size_t)count, NULL) != 0)
            return -1;
    if (count != LIBSSH2_ERROR_EAGAIN && (count < 0 || libssh2_channel_eof(agent->channel)))
        return -1;
    while ((rc = frames_next(&agent->frames, &line, NULL)) == 1) {
        take_list(agent, line);
        json_decref(line);
    }
    return rc < 0 ? -1 : agent->has_list;
}

static int cancel(struct agent *agent, struct published *forward)
{
    int rc = forward->listener != NULL ? libssh2_channel_forward_cancel(forward->listener) : 0;
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return 0;
    *forward = agent->forwards[--agent->forward_count];
    return rc == 0 ? 1 : -1;
}

static int publish(struct agent *agent, struct published *forward)
{
    int port = 0;
    forward->listener = libssh2_channel_forward_listen_ex(agent->ssh, forward->address,
                                                          forward->port, &port, QUEUE);
    if (forward->listener != NULL)
        return 1;
    return libssh2_session_last_errno(agent->ssh) == LIBSSH2_ERROR_EAGAIN ? 0 : -1;
}

int list_publish(struct agent *agent)
{
    for (size_t i = 0; i < agent->forward_count;) {
        struct published *forward = &agent->forwards[i];
        bool leaves = !forward->wanted;
        int rc = 1;
        if (leaves)
            rc = cancel(agent, forward);
        else if (forward->listener == NULL)
            rc = publish(agent, forward);
        if (rc <= 0)
            return rc;
        if (!leaves)
            i++;
    }
    return 1;
}

int list_answer(struct agent *agent)
{
    if (agent->answer[0] == '\0' && agent->answered == agent->generation)
        return 1;
    if (agent->answer[0] == '\0') {
        (void)snprintf(agent->answer, sizeof agent->answer,
                       "{\"generation\": %lld, \"refused\": []}\n", (long long)agent->generation);
        agent->answered = agent->generation;
    }
    ssize_t count = libssh2_channel_write(agent->channel, agent->answer, strlen(agent->answer));
    if (count == LIBSSH2_ERROR_EAGAIN)
        return 0;
    agent->answer[0] = '\0'; /* the channel's window takes so short a line whole */
    return count > 0 ? 1 : -1;
}
