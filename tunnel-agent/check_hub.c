/*
 * The way to the hub: names, addresses, the first bytes that come back, key exchange, host key.
 * Each question has a connection of its own, so that none waits in the hub while another address is
 * silent.  Nothing is authenticated here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_steps.h"

#define SILENCE_MS 2000 /* after which a peer is greeted, to see what it is */
#define GLANCE_MS  20   /* between looks at a line that has not ended */

/* --- names ------------------------------------------------------------------------------------ */

static size_t lookup_count(const struct check *check)
{
    return 2 * check->hubs->count;
}

static bool look_up(struct check *check)
{
    check->lookups = calloc(lookup_count(check), sizeof *check->lookups);
    if (check->lookups == NULL)
        return false;
    for (size_t i = 0; i < lookup_count(check); i++) {
        check->lookups[i].to = *check->ways[i / 2].hop;
        check->lookups[i].family = i % 2 == 0 ? AF_INET : AF_INET6;
    }
    lookups_run(check->lookups, lookup_count(check), CHECK_TIMEOUT_MS);
    return true;
}

static void say_addresses(struct check *check, const struct lookup *lookup)
{
    char text[LOOKUP_ADDRESSES_MAX * HOST_SIZE], host[HOST_SIZE];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < lookup->count; i++) {
        (void)address_host((const struct sockaddr *)&lookup->addresses[i], host);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? ", " : "", host);
    }
    check_say(check, CHECK_PASS, lookup->to.host, NULL, "%s", text);
}

static void say_lookup(struct check *check, const struct lookup *lookup,
                       const struct lookup *sibling)
{
    const char *host = lookup->to.host;
    if (address_is_literal(host))
        check_say(check, CHECK_SKIP, host, NULL, "an address, no name");
    else if (lookup->count > 0)
        say_addresses(check, lookup);
    else if (lookup_is_empty(lookup) && sibling->count > 0)
        check_say(check, CHECK_SKIP, host, NULL, "the name has none");
    else if (!lookup->unanswered && sibling->count > 0) /* as with /etc/hosts and no name server */
        check_say(check, CHECK_SKIP, host, NULL, "not known: %s", lookup_reason(lookup));
    else
        check_say(check, CHECK_FAIL, host,
                  lookup_is_empty(lookup)
                      ? "is the name spelled right, and does this network's name server know it?"
                      : "look at the name servers of this machine (/etc/resolv.conf), and whether "
                        "they can be reached",
                  "%s", lookup_reason(lookup));
}

/* Has an earlier one the same name, with another port? */
static bool named_before(const struct check *check, size_t hub)
{
    for (size_t i = 0; i < hub; i++) {
        if (strcmp(check->ways[i].hop->host, check->ways[hub].hop->host) == 0)
            return true;
    }
    return false;
}

static void say_family(struct check *check, size_t family)
{
    for (size_t i = 0; i < check->hubs->count; i++) {
        if (!named_before(check, i))
            say_lookup(check, &check->lookups[2 * i + family], &check->lookups[2 * i + !family]);
    }
}

void check_dns_a(struct check *check)
{
    if (check_find_ways(check) && look_up(check))
        say_family(check, 0);
    else
        check_say(check, CHECK_FAIL, NULL, NULL, "out of memory");
}

void check_dns_aaaa(struct check *check)
{
    if (check->lookups != NULL)
        say_family(check, 1);
}

/* --- TCP -------------------------------------------------------------------------------------- */

static const struct {
    int error;
    const char *advice;
} ADVICE[] = {
    {ECONNREFUSED, "the machine answers, but no hub listens there: is the port right, and does "
                   "tunneld run?"},
    {ETIMEDOUT, "a firewall drops it, or the address is wrong: let TCP to this address out"},
    {EHOSTUNREACH, "the way to it is broken: look at routes and firewalls"},
    {ENETUNREACH, "this machine has no route there: look at its address and default route"},
    {EACCES, "a firewall of this machine forbids it"},
    {EPERM, "a firewall of this machine forbids it"},
};

static const char *advice_for(int error)
{
    for (size_t i = 0; i < sizeof ADVICE / sizeof ADVICE[0]; i++) {
        if (ADVICE[i].error == error)
            return ADVICE[i].advice;
    }
    return "look at this machine's network";
}

static void add_endpoints(struct check *check, const struct lookup *lookup,
                          const struct host_port *hub, const struct way *way)
{
    if (way->wrong.text[0] != '\0')
        return;
    for (size_t i = 0; i < lookup->count && check->endpoint_count < CHECK_ENDPOINTS_MAX; i++) {
        struct endpoint *endpoint = &check->endpoints[check->endpoint_count++];
        endpoint->hub = hub;
        endpoint->way = way;
        endpoint->opened = way->proxy.kind == PROXY_NONE;
        endpoint->attempt = (struct attempt){.address = lookup->addresses[i], .socket = -1};
        address_format((const struct sockaddr *)&lookup->addresses[i], endpoint->name);
    }
}

static bool reachable(const struct endpoint *endpoint)
{
    return endpoint->attempt.error == 0;
}

static bool hub_reachable(const struct check *check, const struct host_port *hub)
{
    for (size_t i = 0; i < check->endpoint_count; i++) {
        if (check->endpoints[i].hub == hub && reachable(&check->endpoints[i]))
            return true;
    }
    return false;
}

/* Sites without IPv6 are common, and hubs with both. */
static bool no_such_family(const struct attempt *attempt)
{
    return attempt->address.ss_family == AF_INET6 &&
           (attempt->error == ENETUNREACH || attempt->error == EADDRNOTAVAIL ||
            attempt->error == EAFNOSUPPORT);
}

static void say_endpoint(struct check *check, const struct endpoint *endpoint)
{
    const struct attempt *attempt = &endpoint->attempt;
    const char *host = endpoint->way->hop->host;
    bool literal = address_is_literal(host);
    const char *of = literal ? "" : " of ", *name = literal ? "" : host;
    if (attempt->error == 0)
        check_say(check, CHECK_PASS, endpoint->name, NULL, "connected in %.1f ms%s%s",
                  (double)attempt->duration_us / 1000, of, name);
    else if (no_such_family(attempt) && hub_reachable(check, endpoint->hub))
        check_say(check, CHECK_SKIP, endpoint->name, NULL,
                  "this machine has no IPv6; another address%s%s answers", of, name);
    else
        check_say(check, CHECK_FAIL, endpoint->name,
                  endpoint->way->proxy.kind != PROXY_NONE
                      ? "this is the proxy: is it the one of this network, and does it run? see "
                        "'proxy' in tunnel-agent(1)"
                      : advice_for(attempt->error),
                  "%s%s%s",
                  attempt->error == ETIMEDOUT ? CHECK_NO_ANSWER : strerror(attempt->error), of,
                  name);
}

static void connect_all(struct check *check)
{
    struct attempt attempts[CHECK_ENDPOINTS_MAX];
    for (size_t i = 0; i < check->endpoint_count; i++)
        attempts[i] = check->endpoints[i].attempt;
    attempts_run(attempts, check->endpoint_count, CHECK_TIMEOUT_MS);
    for (size_t i = 0; i < check->endpoint_count; i++) {
        attempt_close(&attempts[i]);
        check->endpoints[i].attempt = attempts[i];
    }
}

static void say_hub(struct check *check, size_t number)
{
    const struct host_port *hub = &check->hubs->items[number];
    char name[HOST_PORT_SIZE];
    bool any = false;
    for (size_t i = 0; i < check->endpoint_count; i++) {
        if (check->endpoints[i].hub != hub)
            continue;
        say_endpoint(check, &check->endpoints[i]);
        any = true;
    }
    if (!any)
        check_say_needs(check, host_port_format(hub->host, hub->port, name),
                        check->ways[number].wrong.text[0] != '\0' ? "proxy" : "dns");
}

void check_tcp(struct check *check)
{
    if (check->lookups == NULL) {
        check_say_needs(check, NULL, "dns");
        return;
    }
    for (size_t i = 0; i < check->hubs->count; i++) {
        add_endpoints(check, &check->lookups[2 * i], &check->hubs->items[i], &check->ways[i]);
        add_endpoints(check, &check->lookups[2 * i + 1], &check->hubs->items[i], &check->ways[i]);
    }
    connect_all(check);
    for (size_t i = 0; i < check->hubs->count; i++)
        say_hub(check, i);
}

/* --- the first bytes -------------------------------------------------------------------------- */

/* What the peer says, left in the socket for libssh.  BANNER_MORE: nothing, or no whole line. */
static enum banner peek(int socket, unsigned timeout_ms, char *bytes, size_t *length)
{
    static const struct timespec glance = {.tv_nsec = GLANCE_MS * 1000000L};
    uint64_t end = clock_monotonic_ms() + timeout_ms;
    enum banner verdict = BANNER_MORE;
    *length = 0;
    for (uint64_t now = clock_monotonic_ms(); now < end && verdict == BANNER_MORE;
         now = clock_monotonic_ms()) {
        struct pollfd polled = {.fd = socket, .events = POLLIN | POLLRDHUP};
        if (poll(&polled, 1, (int)(end - now)) <= 0)
            continue;
        ssize_t got = recv(socket, bytes, BANNER_SIZE, MSG_PEEK | MSG_DONTWAIT);
        if (got > 0)
            *length = (size_t)got;
        bool over = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) ||
                    (polled.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
        verdict = banner_judge(bytes, *length, over);
        if (verdict == BANNER_MORE)
            (void)nanosleep(&glance, NULL);
    }
    return verdict;
}

/* Web servers and TLS wait for the client; what they say to a client of SSH tells them apart.  So
 * does who shares a port between SSH and TLS; the hub behind it is greeted then, which spoils the
 * connection for libssh. */
static enum banner listen_to(int socket, char *bytes, size_t *length, bool *greeted)
{
    static const char greeting[] = "SSH-2.0-tunnel-agent\r\n\r\n";
    const size_t line = sizeof "SSH-2.0-tunnel-agent" - 1;
    enum banner verdict = peek(socket, CHECK_TIMEOUT_MS, bytes, length);
    *greeted = verdict == BANNER_MORE && *length == 0;
    if (!*greeted)
        return verdict;
    if (send(socket, greeting, sizeof greeting - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return BANNER_MORE;
    verdict = peek(socket, SILENCE_MS, bytes, length);
    bool echo = *length >= line && memcmp(bytes, greeting, line) == 0;
    return verdict == BANNER_SSH && echo ? BANNER_OTHER : verdict;
}

static void say_no_banner(struct check *check, const struct endpoint *endpoint, enum banner verdict,
                          const char *bytes, size_t length)
{
    char line[BANNER_SIZE];
    if (length > 0)
        check_say(check, CHECK_FAIL, endpoint->name,
                  "something else answers, or answers in the hub's place (a proxy, a captive "
                  "portal): is the port right? have TCP to this address let through untouched",
                  "this is no SSH, it says \"%s\"", banner_line(bytes, length, line));
    else
        check_say(check, CHECK_FAIL, endpoint->name,
                  "a firewall, a proxy or an overloaded hub: ask the hub's operator whether "
                  "tunneld sees the connection",
                  verdict == BANNER_MORE ? "the connection stands, but nothing is said within 5 s"
                                         : "the connection is closed before anything is said");
}

static void note_algorithms(struct endpoint *endpoint, ssh_session session)
{
    const char *exchange = ssh_get_kex_algo(session), *cipher = ssh_get_cipher_out(session);
    const char *mac = ssh_get_hmac_out(session);
    snprintf(endpoint->algorithms, sizeof endpoint->algorithms, "%s, %s, %s",
             exchange != NULL ? exchange : "?", cipher != NULL ? cipher : "?",
             mac != NULL ? mac : "?");
}

static void shake_hands(struct check *check, struct endpoint *endpoint, int socket)
{
    ssh_session session = NULL;
    endpoint->answers_ssh = true;
    endpoint->handshake =
        check_shake_hands(check, socket, check->site, endpoint->host_key, &session, &endpoint->why);
    if (endpoint->handshake == HANDSHAKE_DONE || endpoint->handshake == HANDSHAKE_WRONG_HOST)
        note_algorithms(endpoint, session);
    check_hang_up(session);
}

static void visit(struct check *check, struct endpoint *endpoint)
{
    struct fault fault = {""};
    struct attempt attempt = {.socket = check_open(endpoint, &fault)};
    char bytes[BANNER_SIZE], line[BANNER_SIZE];
    size_t length = 0;
    bool greeted = false;
    enum banner verdict = BANNER_MORE;
    if (attempt.socket >= 0)
        verdict = listen_to(attempt.socket, bytes, &length, &greeted);
    if (attempt.socket >= 0 && verdict != BANNER_SSH) {
        say_no_banner(check, endpoint, verdict, bytes, length);
        attempt_close(&attempt);
        return;
    }
    if (greeted) {
        attempt_close(&attempt);
        attempt.socket = check_open(endpoint, &fault);
    }
    if (attempt.socket < 0) {
        check_say_fault(check, endpoint->name, &fault, "look at this machine's network");
        return;
    }
    check_say(check, CHECK_PASS, endpoint->name, NULL, "%s%s", banner_line(bytes, length, line),
              greeted ? ", when spoken to first: the port is shared with another service" : "");
    shake_hands(check, endpoint, attempt.socket);
}

void check_banner(struct check *check)
{
    for (size_t i = 0; i < check->endpoint_count; i++) {
        struct endpoint *endpoint = &check->endpoints[i];
        if (reachable(endpoint) && endpoint->opened)
            visit(check, endpoint);
        else
            check_say_needs(check, endpoint->name, reachable(endpoint) ? "proxy" : "tcp");
    }
}

/* --- key exchange and host key, as they were found -------------------------------------------- */

void check_algorithms(struct check *check)
{
    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        if (!endpoint->answers_ssh)
            check_say_needs(check, endpoint->name, "banner");
        else if (endpoint->handshake == HANDSHAKE_FAILED)
            check_say_fault(check, endpoint->name, &endpoint->why,
                            "this SSH server and the agent do not go together, or the hub is full: "
                            "ask the hub's operator");
        else
            check_say(check, CHECK_PASS, endpoint->name, NULL, "%s", endpoint->algorithms);
    }
}

void check_host_key(struct check *check)
{
    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        if (endpoint->algorithms[0] == '\0') {
            check_say_needs(check, endpoint->name, "algorithms");
        } else if (endpoint->handshake == HANDSHAKE_WRONG_HOST) {
            check_say_fault(check, endpoint->name, &endpoint->why, "ask the hub's operator");
        } else {
            check_say(check, CHECK_PASS, endpoint->name, NULL, "%s, as pinned", endpoint->host_key);
            check->door = check->door != NULL ? check->door : endpoint;
        }
    }
}
