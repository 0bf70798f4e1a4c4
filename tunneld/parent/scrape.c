/*
 * Answers scrapers over HTTP without reading what they say.  There is one page, so that a request
 * has nothing to choose from: once the kernel says that bytes have come, the page is written, our
 * side is closed, and the kernel throws away what came (recv with MSG_TRUNC and no buffer) until
 * the scraper closes its side.  So the parent keeps its rule, that it never sees a stranger's byte,
 * and needs no HTTP library.  Writing before any byte has come would not do: Go's client, which
 * Prometheus is built on, takes that for an answer nobody asked for.
 */
#define _GNU_SOURCE
#include "parent/scrape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/metrics.h"
#include "parent/tcp_listener.h"

#define SCRAPERS_MAX 16
#define SCRAPE_MS    15000 /* from connecting to the end */
#define FRESH_MS     1000  /* scrapers that come together get the same page */
#define DISCARD_MAX  (1u << 20)

static const char head[] = "HTTP/1.1 200 OK\r\n"
                           "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                           "Content-Length: %zu\r\n"
                           "Cache-Control: no-store\r\n"
                           "X-Content-Type-Options: nosniff\r\n"
                           "Connection: close\r\n"
                           "\r\n";

/* What all scrapers of a moment get. */
struct page {
    size_t users, head_length, length;
    char head[sizeof head + 32];
    char *text;
};

struct scraper {
    uv_poll_t poll;
    TAILQ_ENTRY(scraper) entry;
    struct scrape *scrape;
    struct timeout *timeout;
    struct page *page; /* NULL: nothing came yet */
    int descriptor;
    bool answered; /* our side is closed */
    size_t sent, discarded;
};
TAILQ_HEAD(scraper_list, scraper);

struct scrape {
    struct hub *hub;
    struct scraper_list scrapers;
    size_t scraper_count;
    struct page *page; /* the last one; NULL: none */
    uint64_t made_ms;
    size_t count;
    struct tcp_listener *listeners[];
};

static void page_leave(struct page *page)
{
    if (!page || --page->users > 0)
        return;
    free(page->text);
    free(page);
}

static struct page *page_new(struct hub *hub)
{
    struct page *page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    page->text = metrics_text(hub, &page->length);
    if (!page->text) {
        free(page);
        return NULL;
    }
    page->head_length = (size_t)snprintf(page->head, sizeof page->head, head, page->length);
    page->users = 1;
    return page;
}

/* The caller is a user of it; NULL: out of memory. */
static struct page *page_now(struct scrape *scrape)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (!scrape->page || now_ms - scrape->made_ms >= FRESH_MS) {
        page_leave(scrape->page);
        scrape->page = page_new(scrape->hub);
        scrape->made_ms = now_ms;
    }
    if (scrape->page)
        scrape->page->users++;
    return scrape->page;
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

static void scraper_end(struct scraper *scraper)
{
    TAILQ_REMOVE(&scraper->scrape->scrapers, scraper, entry);
    scraper->scrape->scraper_count--;
    timeout_clear(&scraper->timeout);
    page_leave(scraper->page);
    uv_close((uv_handle_t *)&scraper->poll, on_close);
    (void)close(scraper->descriptor);
}

static void on_overdue(void *owner)
{
    scraper_end(owner);
}

/* 1: all is sent, 0: the socket is full, -1: it is broken. */
static int send_some(struct scraper *scraper)
{
    const struct page *page = scraper->page;
    while (scraper->sent < page->head_length + page->length) {
        bool in_head = scraper->sent < page->head_length;
        size_t at = in_head ? scraper->sent : scraper->sent - page->head_length;
        ssize_t sent = send(scraper->descriptor, (in_head ? page->head : page->text) + at,
                            (in_head ? page->head_length : page->length) - at,
                            MSG_NOSIGNAL | (in_head ? MSG_MORE : 0));
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        scraper->sent += (size_t)sent;
    }
    return 1;
}

/* False at the end of what the scraper says. */
static bool discard_some(struct scraper *scraper)
{
    while (scraper->discarded < DISCARD_MAX) {
        /* cppcheck-suppress nullPointer; with MSG_TRUNC the kernel discards (tcp(7)) */
        ssize_t gone = recv(scraper->descriptor, NULL, 65536, MSG_TRUNC | MSG_DONTWAIT);
        if (gone < 0 && errno == EINTR)
            continue;
        if (gone <= 0)
            return gone < 0 && errno == EAGAIN;
        scraper->discarded += (size_t)gone;
    }
    return false;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static int answer(struct scraper *scraper)
{
    if (!scraper->page)
        scraper->page = page_now(scraper->scrape);
    int done = scraper->page ? send_some(scraper) : -1;
    if (done > 0) {
        scraper->answered = true;
        (void)shutdown(scraper->descriptor, SHUT_WR);
    }
    return done < 0 ? -1
                    : uv_poll_start(&scraper->poll, done > 0 ? UV_READABLE : UV_WRITABLE, on_ready);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct scraper *scraper = poll->data;
    (void)events;
    bool goes_on = status == 0;
    if (goes_on && scraper->answered)
        goes_on = discard_some(scraper);
    else if (goes_on)
        goes_on = answer(scraper) == 0;
    if (!goes_on)
        scraper_end(scraper);
}

static void on_scraper(void *owner, int descriptor, const struct sockaddr *peer)
{
    struct scrape *scrape = owner;
    (void)peer;
    struct scraper *scraper =
        scrape->scraper_count < SCRAPERS_MAX ? calloc(1, sizeof *scraper) : NULL;
    if (!scraper || uv_poll_init(scrape->hub->loop, &scraper->poll, descriptor) != 0) {
        free(scraper);
        (void)close(descriptor);
        return;
    }
    scraper->poll.data = scraper;
    scraper->scrape = scrape;
    scraper->descriptor = descriptor;
    TAILQ_INSERT_TAIL(&scrape->scrapers, scraper, entry);
    scrape->scraper_count++;
    if (timeout_set(scrape->hub->loop, &scraper->timeout, SCRAPE_MS, on_overdue, scraper) != 0 ||
        uv_poll_start(&scraper->poll, UV_READABLE, on_ready) != 0)
        scraper_end(scraper);
}

int scrape_open(struct hub *hub, struct fault *fault)
{
    const struct host_port_list *list = &hub->settings.metrics_listen;
    if (list->count == 0)
        return 0;
    hub->scrape = calloc(1, sizeof *hub->scrape + list->count * sizeof *hub->scrape->listeners);
    if (!hub->scrape)
        return fault_set(fault, "out of memory");
    hub->scrape->hub = hub;
    TAILQ_INIT(&hub->scrape->scrapers);
    for (; hub->scrape->count < list->count; hub->scrape->count++) {
        const struct host_port *item = &list->items[hub->scrape->count];
        if (tcp_listener_open(hub->loop, item->host, item->port, false, on_scraper, hub->scrape,
                              &hub->scrape->listeners[hub->scrape->count], fault) != 0)
            return fault_prefix(fault, "setting 'metrics_listen'");
    }
    return 0;
}

void scrape_close(struct hub *hub)
{
    struct scrape *scrape = hub->scrape;
    struct scraper *scraper;
    if (!scrape)
        return;
    hub->scrape = NULL;
    for (size_t i = 0; i < scrape->count; i++)
        tcp_listener_close(scrape->listeners[i]);
    while ((scraper = TAILQ_FIRST(&scrape->scrapers)))
        scraper_end(scraper);
    page_leave(scrape->page);
    free(scrape);
}

json_t *scrape_addresses(const struct hub *hub)
{
    json_t *list = json_array();
    for (size_t i = 0; hub->scrape && i < hub->scrape->count; i++)
        (void)json_array_append_new(list,
                                    json_string(tcp_listener_text(hub->scrape->listeners[i])));
    return list;
}
