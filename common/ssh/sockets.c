/* One epoll set for each loop, itself watched by the loop.  What an event means is service.c's
 * business. */
#define _GNU_SOURCE
#include "ssh/sockets.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#define EVENTS_A_TURN 64

struct sockets {
    LIST_ENTRY(sockets) next;
    uv_poll_t poll;
    int set;
    size_t users;
    sockets_event *on_event;
};

static LIST_HEAD(sockets_list, sockets) all = LIST_HEAD_INITIALIZER(all);

/* With more than that, the loop tells again. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sockets *sockets = poll->data;
    struct epoll_event told[EVENTS_A_TURN];
    int count;

    (void)status, (void)events;
    count = epoll_wait(sockets->set, told, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        sockets->on_event(told[i].data.ptr, told[i].events);
}

static void on_closed(uv_handle_t *handle)
{
    struct sockets *sockets = handle->data;

    close(sockets->set);
    free(sockets);
}

static struct sockets *sockets_new(uv_loop_t *loop, sockets_event *on_event)
{
    struct sockets *sockets = calloc(1, sizeof *sockets);

    if (!sockets)
        return NULL;
    sockets->set = epoll_create1(EPOLL_CLOEXEC);
    if (sockets->set < 0 || uv_poll_init(loop, &sockets->poll, sockets->set) < 0) {
        if (sockets->set >= 0)
            close(sockets->set);
        free(sockets);
        return NULL;
    }
    sockets->poll.data = sockets;
    sockets->on_event = on_event;
    uv_poll_start(&sockets->poll, UV_READABLE, on_poll);
    LIST_INSERT_HEAD(&all, sockets, next);
    return sockets;
}

struct sockets *sockets_join(uv_loop_t *loop, sockets_event *on_event)
{
    struct sockets *sockets;

    LIST_FOREACH(sockets, &all, next)
    {
        if (sockets->poll.loop == loop)
            break;
    }
    if (!sockets)
        sockets = sockets_new(loop, on_event);
    if (sockets)
        sockets->users++;
    return sockets;
}

void sockets_leave(struct sockets *sockets)
{
    if (!sockets || --sockets->users > 0)
        return;
    LIST_REMOVE(sockets, next);
    uv_close((uv_handle_t *)&sockets->poll, on_closed);
}

int sockets_watch(struct sockets *sockets, int socket, enum sockets_watch before,
                  enum sockets_watch now, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = owner};

    if (now == SOCKETS_READ_WRITE)
        event.events |= EPOLLOUT;
    return epoll_ctl(sockets->set, before == SOCKETS_NOT_WATCHED ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
                     socket, &event);
}

void sockets_forget(struct sockets *sockets, int socket)
{
    (void)epoll_ctl(sockets->set, EPOLL_CTL_DEL, socket, NULL);
}
