/*
 * Lookups and connection attempts in bounded batches.  A question that the resolver has not
 * answered in time is left to it: its memory is given up, for a few questions and a process that
 * ends soon.  What an address is for, and what a failure means, the steps know.
 */
#define _GNU_SOURCE
#include "check_net.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define BATCH 256 /* at once */

uint64_t check_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- names ------------------------------------------------------------------------------------ */

struct question {
    struct gaicb request;
    struct addrinfo hints;
    char host[HOST_SIZE];
};

static struct question *question_new(const struct lookup *lookup)
{
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    memcpy(question->host, lookup->to.host, sizeof question->host);
    question->hints = (struct addrinfo){.ai_family = lookup->family, .ai_socktype = SOCK_STREAM};
    question->request.ar_name = question->host;
    question->request.ar_request = &question->hints;
    return question;
}

static void take_address(struct lookup *lookup, const struct addrinfo *entry)
{
    struct sockaddr_storage *address = &lookup->addresses[lookup->count];
    if (lookup->count == LOOKUP_ADDRESSES_MAX || entry->ai_addrlen > sizeof *address)
        return;
    memcpy(address, entry->ai_addr, entry->ai_addrlen);
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(lookup->to.port);
    else if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(lookup->to.port);
    else
        return;
    lookup->count++;
}

static void question_end(struct question *question, struct lookup *lookup)
{
    if (gai_error(&question->request) == EAI_INPROGRESS &&
        gai_cancel(&question->request) == EAI_NOTCANCELED) {
        lookup->unanswered = true;
        return;
    }
    int error = gai_error(&question->request);
    lookup->unanswered = error == EAI_CANCELED;
    lookup->error = error;
    for (const struct addrinfo *entry = question->request.ar_result; error == 0 && entry != NULL;
         entry = entry->ai_next)
        take_address(lookup, entry);
    if (question->request.ar_result != NULL)
        freeaddrinfo(question->request.ar_result);
    free(question);
}

/* Waits until all are answered or the time is over. */
static void wait_for_answers(struct gaicb *const *requests, int count, unsigned timeout_ms)
{
    const struct gaicb *open[BATCH];
    uint64_t now = clock_monotonic_ms(), end = now + timeout_ms;
    for (; now < end; now = clock_monotonic_ms()) {
        bool any = false;
        for (int i = 0; i < count; i++) {
            open[i] = gai_error(requests[i]) == EAI_INPROGRESS ? requests[i] : NULL;
            any = any || open[i] != NULL;
        }
        if (!any)
            return;
        struct timespec left = {.tv_sec = (time_t)((end - now) / 1000),
                                .tv_nsec = (long)((end - now) % 1000) * 1000000};
        (void)gai_suspend(open, count, &left);
    }
}

static bool literal(struct lookup *lookup)
{
    socklen_t length;
    struct sockaddr_storage *address = &lookup->addresses[0];
    if (!address_is_literal(lookup->to.host) ||
        address_from_literal(lookup->to.host, lookup->to.port, address, &length, NULL) != 0)
        return false;
    if (lookup->family == AF_UNSPEC || lookup->family == address->ss_family)
        lookup->count = 1;
    else
        lookup->error = EAI_NONAME;
    return true;
}

static void run_batch(struct lookup *lookups, size_t count, unsigned timeout_ms)
{
    struct question *questions[BATCH];
    struct gaicb *requests[BATCH];
    size_t asked[BATCH];
    int open = 0;
    for (size_t i = 0; i < count; i++) {
        if (literal(&lookups[i]))
            continue;
        questions[open] = question_new(&lookups[i]);
        if (questions[open] == NULL) {
            lookups[i].error = EAI_MEMORY;
            continue;
        }
        requests[open] = &questions[open]->request;
        asked[open++] = i;
    }
    if (open == 0)
        return;
    (void)getaddrinfo_a(GAI_NOWAIT, requests, open, NULL); /* each request has its own error */
    wait_for_answers(requests, open, timeout_ms);
    for (int i = 0; i < open; i++)
        question_end(questions[i], &lookups[asked[i]]);
}

void lookups_run(struct lookup *lookups, size_t count, unsigned timeout_ms)
{
    for (size_t i = 0; i < count; i += BATCH)
        run_batch(lookups + i, count - i < BATCH ? count - i : BATCH, timeout_ms);
}

bool lookup_is_empty(const struct lookup *lookup)
{
    if (lookup->unanswered || lookup->count > 0)
        return false;
    return lookup->error == 0 || lookup->error == EAI_NONAME || lookup->error == EAI_NODATA ||
           lookup->error == EAI_ADDRFAMILY;
}

const char *lookup_reason(const struct lookup *lookup)
{
    if (lookup->unanswered)
        return "the name server does not answer";
    return lookup->error == 0 ? "no address" : gai_strerror(lookup->error);
}

/* --- connections ------------------------------------------------------------------------------ */

void attempt_close(struct attempt *attempt)
{
    if (attempt->socket >= 0)
        close(attempt->socket);
    attempt->socket = -1;
}

/* Linux lets a socket connect to itself when nobody listens on a port of the ephemeral range. */
static bool connected_to_itself(int socket)
{
    struct sockaddr_storage near = {0}, far = {0};
    socklen_t near_length = sizeof near, far_length = sizeof far;
    if (getsockname(socket, (struct sockaddr *)&near, &near_length) != 0 ||
        getpeername(socket, (struct sockaddr *)&far, &far_length) != 0)
        return false;
    return near_length == far_length && memcmp(&near, &far, near_length) == 0;
}

static void finish(struct attempt *attempt, uint64_t began_us)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(attempt->socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    if (error == 0 && connected_to_itself(attempt->socket))
        error = ECONNREFUSED;
    attempt->error = error;
    attempt->duration_us = check_now_us() - began_us;
    if (error != 0)
        attempt_close(attempt);
}

/* True: under way; `error` is EINPROGRESS until finished. */
static bool start(struct attempt *attempt)
{
    int family = attempt->address.ss_family;
    socklen_t length =
        family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    attempt->error = EINPROGRESS;
    attempt->socket = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->socket >= 0 &&
        (connect(attempt->socket, (const struct sockaddr *)&attempt->address, length) == 0 ||
         errno == EINPROGRESS))
        return true;
    attempt->error = errno;
    attempt_close(attempt);
    return false;
}

static void connect_batch(struct attempt *attempts, size_t count, unsigned timeout_ms)
{
    struct pollfd polled[BATCH];
    size_t open = 0;
    uint64_t began_us = check_now_us(), end = clock_monotonic_ms() + timeout_ms;
    for (size_t i = 0; i < count; i++) {
        bool going = start(&attempts[i]);
        polled[i] = (struct pollfd){.fd = going ? attempts[i].socket : -1, .events = POLLOUT};
        open += going;
    }
    for (uint64_t now = clock_monotonic_ms(); open > 0 && now < end; now = clock_monotonic_ms()) {
        if (poll(polled, (nfds_t)count, (int)(end - now)) <= 0)
            continue;
        for (size_t i = 0; i < count; i++) {
            if (polled[i].fd < 0 || polled[i].revents == 0)
                continue;
            finish(&attempts[i], began_us);
            polled[i].fd = -1;
            open--;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (polled[i].fd < 0)
            continue;
        attempts[i].error = ETIMEDOUT;
        attempt_close(&attempts[i]);
    }
}

void attempts_run(struct attempt *attempts, size_t count, unsigned timeout_ms)
{
    for (size_t i = 0; i < count; i += BATCH)
        connect_batch(attempts + i, count - i < BATCH ? count - i : BATCH, timeout_ms);
}
