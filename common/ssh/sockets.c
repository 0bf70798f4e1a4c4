/* One epoll set for each loop, itself watched by the loop.  What an event means is its owner's
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
};

static LIST_HEAD(sockets_list, sockets) all = LIST_HEAD_INITIALIZER(all);

static void tell(const struct socket_place *place, uint32_t events)
{
    place->on_event(place->owner, events);
}

/* With more than that, the loop tells again. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sockets *sockets = poll->data;
    struct epoll_event told[EVENTS_A_TURN];
    int count;

    (void)status, (void)events;
    count = epoll_wait(sockets->set, told, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        tell(told[i].data.ptr, told[i].events);
}

static void on_closed(uv_handle_t *handle)
{
    struct sockets *sockets = handle->data;

    close(sockets->set);
    free(sockets);
}

static struct sockets *sockets_new(uv_loop_t *loop)
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
    uv_poll_start(&sockets->poll, UV_READABLE, on_poll);
    LIST_INSERT_HEAD(&all, sockets, next);
    return sockets;
}

struct sockets *sockets_join(uv_loop_t *loop)
{
    struct sockets *sockets;

    LIST_FOREACH(sockets, &all, next)
    {
        if (sockets->poll.loop == loop)
            break;
    }
    if (!sockets)
        sockets = sockets_new(loop);
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

int sockets_watch(struct sockets *sockets, int socket, struct socket_place *place,
                  enum sockets_watch wanted)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = place};
    int change = place->watched == SOCKETS_NOT_WATCHED ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (wanted == SOCKETS_NOT_WATCHED) {
        sockets_forget(sockets, socket, place);
        return 0;
    }
    if (wanted == SOCKETS_READ_WRITE)
        event.events |= EPOLLOUT;
    if (!place->is_told_again)
        event.events |= EPOLLET;
    if (epoll_ctl(sockets->set, change, socket, &event) < 0)
        return -1;
    place->watched = wanted;
    return 0;
}

void sockets_forget(struct sockets *sockets, int socket, struct socket_place *place)
{
    if (place->watched == SOCKETS_NOT_WATCHED)
        return;
    place->watched = SOCKETS_NOT_WATCHED;
    (void)epoll_ctl(sockets->set, EPOLL_CTL_DEL, socket, NULL);
}
