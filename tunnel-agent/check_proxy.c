/*
 * Which proxy stands before each hub, and whether it connects.  Here it may be waited for; the
 * agent itself talks to a proxy in hub_dial.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "check_steps.h"
#include "net/proxy_talk.h"

#define PEEK_BYTES 4096

/* --- which ------------------------------------------------------------------------------------ */

bool check_find_ways(struct check *check)
{
    check->ways = calloc(check->hubs->count, sizeof *check->ways);
    if (check->ways == NULL)
        return false;
    for (size_t i = 0; i < check->hubs->count; i++) {
        struct way *way = &check->ways[i];
        const struct host_port *hub = &check->hubs->items[i];
        if (proxy_choose(check->settings.proxy, hub, &way->proxy, &way->wrong) != 0)
            way->proxy.kind = PROXY_NONE;
        way->hop = way->proxy.kind == PROXY_NONE ? hub : &way->proxy.at;
    }
    return true;
}

void check_forget_ways(struct check *check)
{
    for (size_t i = 0; check->ways != NULL && i < check->hubs->count; i++)
        proxy_wipe(&check->ways[i].proxy);
    free(check->ways);
    check->ways = NULL;
}

bool check_has_proxies(const struct check *check)
{
    for (size_t i = 0; check->ways != NULL && i < check->hubs->count; i++) {
        if (check->ways[i].proxy.kind != PROXY_NONE || check->ways[i].wrong.text[0] != '\0')
            return true;
    }
    return false;
}

/* --- the talk, waited for --------------------------------------------------------------------- */

/* One step.  PROXY_WAIT: there is more to say or to hear. */
static enum proxy_result step(struct proxy_talk *talk, int socket, struct fault *fault)
{
    uint8_t bytes[PEEK_BYTES];
    size_t unsent = 0, taken = 0;
    const uint8_t *output = proxy_talk_output(talk, &unsent);
    ssize_t sent = unsent > 0 ? send(socket, output, unsent, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (sent > 0)
        proxy_talk_sent(talk, (size_t)sent);
    ssize_t got = recv(socket, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return PROXY_WAIT;
    if (got <= 0) {
        proxy_talk_broken(talk, got < 0 ? strerror(errno) : "it closes the connection", fault);
        return PROXY_REFUSED;
    }
    enum proxy_result result = proxy_talk_feed(talk, bytes, (size_t)got, &taken, fault);
    /* What is behind its answer is the hub's, and stays in the socket. */
    if (result != PROXY_REFUSED && recv(socket, bytes, taken, MSG_DONTWAIT) != (ssize_t)taken) {
        proxy_talk_broken(talk, "its answer is lost", fault);
        return PROXY_REFUSED;
    }
    return result;
}

static enum proxy_result talk_to(const struct endpoint *endpoint, int socket, struct fault *fault)
{
    struct proxy_talk talk;
    enum proxy_result result = PROXY_WAIT;
    uint64_t now = clock_monotonic_ms(), end = now + CHECK_TIMEOUT_MS;
    proxy_talk_begin(&talk, &endpoint->way->proxy, endpoint->hub);
    for (; now < end && result == PROXY_WAIT; now = clock_monotonic_ms()) {
        size_t unsent = 0;
        result = step(&talk, socket, fault);
        (void)proxy_talk_output(&talk, &unsent);
        struct pollfd polled = {.fd = socket,
                                .events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN)};
        if (result == PROXY_WAIT)
            (void)poll(&polled, 1, (int)(end - now));
    }
    if (result == PROXY_WAIT)
        proxy_talk_broken(&talk, CHECK_NO_ANSWER, fault);
    proxy_talk_wipe(&talk);
    return result;
}

int check_open(const struct endpoint *endpoint, struct fault *fault)
{
    struct attempt attempt = {.address = endpoint->attempt.address};
    attempts_run(&attempt, 1, CHECK_TIMEOUT_MS);
    if (attempt.socket < 0)
        return fault_set(fault, "another connection fails: %s", strerror(attempt.error));
    if (endpoint->way->proxy.kind == PROXY_NONE ||
        talk_to(endpoint, attempt.socket, fault) == PROXY_OPEN)
        return attempt.socket;
    attempt_close(&attempt);
    return -1;
}

/* --- the step --------------------------------------------------------------------------------- */

static void try_proxy(struct check *check, struct endpoint *endpoint)
{
    char proxy[PROXY_TEXT_SIZE], hub[HOST_PORT_SIZE];
    struct fault fault = {""};
    uint64_t began_us = check_now_us();
    proxy_format(&endpoint->way->proxy, proxy);
    if (endpoint->attempt.error != 0) {
        check_say_needs(check, proxy, "tcp");
        return;
    }
    struct attempt attempt = {.socket = check_open(endpoint, &fault)};
    if (attempt.socket < 0) {
        check_say_fault(check, proxy, &fault, "ask whoever runs the proxy");
        return;
    }
    attempt_close(&attempt);
    host_port_format(endpoint->hub->host, endpoint->hub->port, hub);
    check_say(check, CHECK_PASS, proxy, NULL, "connected to %s in %.1f ms", hub,
              (double)(check_now_us() - began_us) / 1000);
    memcpy(endpoint->name, hub, sizeof endpoint->name);
    endpoint->opened = true;
}

void check_proxy(struct check *check)
{
    for (size_t i = 0; i < check->hubs->count; i++) {
        char hub[HOST_PORT_SIZE];
        host_port_format(check->hubs->items[i].host, check->hubs->items[i].port, hub);
        if (check->ways[i].wrong.text[0] != '\0')
            check_say_fault(check, hub, &check->ways[i].wrong, NULL);
    }
    for (size_t i = 0; i < check->endpoint_count; i++) {
        if (check->endpoints[i].way->proxy.kind != PROXY_NONE)
            try_proxy(check, &check->endpoints[i]);
    }
}
