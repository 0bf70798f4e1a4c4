/* The pair of transports that the tests of common/ssh drive; it checks nothing of its own. */
#define _GNU_SOURCE
#include "ssh_pair.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"

void tcp_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* bbr measures a loopback wrongly, and then sends a tenth; where there is no reno, so be it. */
    (void)setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(ends[0], IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, length), 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ck_assert_int_ge(ends[1], 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    close(listener);
}

static void on_done(struct tunnel *tunnel, struct stream_result *place,
                    const struct stream_result *result)
{
    *place = *result;
    tunnel->ended++;
}

static void on_hub_done(void *owner, const struct stream_result *result)
{
    struct tunnel *tunnel = owner;

    tunnel->hub = NULL;
    on_done(tunnel, &tunnel->hub_result, result);
}

static void on_site_done(void *owner, const struct stream_result *result)
{
    struct tunnel *tunnel = owner;

    tunnel->site = NULL;
    on_done(tunnel, &tunnel->site_result, result);
}

static void on_hub_message(void *owner, ssh_message message)
{
    struct ssh_side *hub = owner;

    hub->messages++;
    if (hub->hold_each)
        transport_hold(hub->transport);
    if (ssh_message_type(message) == SSH_REQUEST_AUTH) {
        ssh_message_auth_reply_success(message, 0);
        hub->authenticated = true;
    } else {
        ssh_message_reply_default(message);
    }
    ssh_message_free(message);
}

static void send_zeroes(ssh_channel channel, size_t bytes)
{
    static const char zeroes[4096];

    for (int sent; bytes > 0; bytes -= (size_t)sent) {
        sent = ssh_channel_write(channel, zeroes,
                                 (uint32_t)(bytes < sizeof zeroes ? bytes : sizeof zeroes));
        ck_assert_int_gt(sent, 0);
    }
}

static void spend_window(ssh_channel channel)
{
    send_zeroes(channel, ssh_channel_window_size(channel));
}

static void start_hub_stream(struct ssh_side *hub, struct tunnel *tunnel)
{
    ssh_channel channel = tunnel->channel;
    const char *prefix = hub->pair->prefix;

    tunnel->channel = NULL;
    if (hub->pair->window_spent)
        spend_window(channel);
    ck_assert_int_eq(stream_start(hub->transport, channel, tunnel->hub_socket, on_hub_done, tunnel,
                                  &tunnel->hub),
                     0);
    if (prefix)
        ck_assert_int_eq(stream_prefix(tunnel->hub, prefix, strlen(prefix)), 0);
}

static void on_hub_turn(void *owner)
{
    struct ssh_side *hub = owner;

    if (!hub->connected)
        hub->connected = ssh_handle_key_exchange(hub->session) == SSH_OK;
    for (size_t i = 0; i < hub->pair->count; i++) {
        struct tunnel *tunnel = &hub->pair->tunnels[i];
        if (tunnel->channel && ssh_channel_is_open(tunnel->channel))
            start_hub_stream(hub, tunnel);
    }
}

/* The tunnel's number stands in the port of the channel's opening. */
static void open_site_stream(struct ssh_side *site, ssh_message message)
{
    int number = ssh_message_channel_request_open_destination_port(message);
    struct tunnel *tunnel = &site->pair->tunnels[number];
    ssh_channel channel = ssh_message_channel_request_open_reply_accept(message);

    ck_assert_ptr_nonnull(channel);
    if (site->pair->site_zeroes > 0)
        send_zeroes(channel, site->pair->site_zeroes);
    if (tunnel->site_speaks_first) {
        ck_assert_int_eq(ssh_channel_write(channel, "hello", 5), 5);
        ck_assert_int_ne(ssh_channel_send_eof(channel), SSH_ERROR);
    }
    ck_assert_int_eq(stream_start(site->transport, channel, tunnel->site_socket, on_site_done,
                                  tunnel, &tunnel->site),
                     0);
}

static void on_site_message(void *owner, ssh_message message)
{
    struct ssh_side *site = owner;

    site->messages++;
    if (ssh_message_type(message) == SSH_REQUEST_CHANNEL_OPEN &&
        ssh_message_subtype(message) == SSH_CHANNEL_FORWARDED_TCPIP)
        open_site_stream(site, message);
    else
        ssh_message_reply_default(message);
    ssh_message_free(message);
}

static void on_site_turn(void *owner)
{
    struct ssh_side *site = owner;

    if (!site->connected)
        site->connected = ssh_connect(site->session) == SSH_OK;
    if (site->connected && !site->authenticated)
        site->authenticated = ssh_userauth_none(site->session, NULL) == SSH_AUTH_SUCCESS;
    if (site->wants_global && transport_global_begin(site->transport))
        site->wants_global = false;
}

static void on_down(void *owner, const char *reason)
{
    struct ssh_side *side = owner;

    ck_assert_str_eq(side->down, "");
    snprintf(side->down, sizeof side->down, "%s", reason);
    side->transport = NULL;
}

static const struct transport_handlers HUB = {on_hub_message, on_hub_turn, on_down};
static const struct transport_handlers SITE = {on_site_message, on_site_turn, on_down};

static void open_hub(struct ssh_pair *pair, int descriptor)
{
    const bool off = false;
    ssh_bind bind = ssh_bind_new();
    ssh_key key;

    ck_assert_int_eq(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key), SSH_OK);
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &off);
    ck_assert_int_eq(ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key), 0);
    pair->hub = (struct ssh_side){.pair = pair, .session = ssh_new()};
    ck_assert_int_eq(ssh_bind_accept_fd(bind, pair->hub.session, descriptor), SSH_OK);
    ssh_bind_free(bind);
    ssh_set_blocking(pair->hub.session, 0);
    ck_assert_int_ne(ssh_handle_key_exchange(pair->hub.session), SSH_ERROR);
    ck_assert_int_eq(transport_open(&pair->loop, pair->hub.session, descriptor, &HUB, &pair->hub,
                                    &pair->hub.transport),
                     0);
}

static void open_site(struct ssh_pair *pair, int descriptor)
{
    const bool off = false;
    ssh_session session = ssh_new();

    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
    ssh_options_set(session, SSH_OPTIONS_HOST, "hub");
    ssh_options_set(session, SSH_OPTIONS_USER, "site");
    ssh_options_set(session, SSH_OPTIONS_FD, &descriptor);
    if (pair->rekey_bytes)
        ssh_options_set(session, SSH_OPTIONS_REKEY_DATA, &pair->rekey_bytes);
    if (pair->ciphers) {
        ssh_options_set(session, SSH_OPTIONS_CIPHERS_C_S, pair->ciphers);
        ssh_options_set(session, SSH_OPTIONS_CIPHERS_S_C, pair->ciphers);
    }
    ssh_set_blocking(session, 0);
    ck_assert_int_ne(ssh_connect(session), SSH_ERROR);
    pair->site = (struct ssh_side){.pair = pair, .session = session};
    ck_assert_int_eq(
        transport_open(&pair->loop, session, descriptor, &SITE, &pair->site, &pair->site.transport),
        0);
}

void ssh_pair_open(struct ssh_pair *pair)
{
    int ends[2];

    ck_assert_int_eq(uv_loop_init(&pair->loop), 0);
    tcp_pair(ends);
    open_hub(pair, ends[0]);
    open_site(pair, ends[1]);
    while (!pair->hub.authenticated || !pair->site.authenticated) {
        ck_assert_str_eq(pair->hub.down, "");
        ck_assert_str_eq(pair->site.down, "");
        ssh_pair_step(pair, true);
    }
}

void ssh_pair_close(struct ssh_pair *pair)
{
    if (pair->hub.transport)
        transport_close(pair->hub.transport, "test is over");
    if (pair->site.transport)
        transport_close(pair->site.transport, "test is over");
    uv_run(&pair->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&pair->loop), 0);
    for (size_t i = 0; i < pair->count; i++) {
        ck_assert_uint_eq(pair->tunnels[i].ended, 2);
        if (pair->tunnels[i].visitor >= 0)
            close(pair->tunnels[i].visitor);
        if (pair->tunnels[i].target >= 0)
            close(pair->tunnels[i].target);
    }
    free(pair->tunnels);
}

void ssh_pair_step(struct ssh_pair *pair, bool wait)
{
    uv_run(&pair->loop, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

/* Zeroes until the kernel takes no more for this visitor; how many. */
static size_t fill(int hub_socket)
{
    static const char zeroes[4096];
    size_t filled = 0;
    ssize_t sent;

    while ((sent = send(hub_socket, zeroes, sizeof zeroes, MSG_DONTWAIT)) > 0)
        filled += (size_t)sent;
    return filled;
}

/* This tunnel's hub gets what would have been the test's end of the one before. */
static void unchain(struct ssh_pair *pair, size_t number, int left[2])
{
    left[0] = -1;
    left[1] = pair->tunnels[number - 1].target;
    pair->tunnels[number - 1].target = -1;
}

static void open_tunnel(struct ssh_pair *pair, size_t number, bool site_speaks_first)
{
    struct tunnel *tunnel = &pair->tunnels[number];
    int left[2], right[2];

    if (!pair->chained || number % 2 == 0)
        tcp_pair(left);
    else
        unchain(pair, number, left);
    if (!pair->chained || number % 2 == 1)
        tcp_pair(right);
    else
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, right), 0);
    *tunnel = (struct tunnel){.pair = pair,
                              .visitor = left[0],
                              .hub_socket = left[1],
                              .site_socket = right[0],
                              .target = right[1],
                              .filled = pair->site_zeroes > 0 ? fill(left[1]) : 0,
                              .site_speaks_first = site_speaks_first};
    tunnel->channel = ssh_channel_new(pair->hub.session);
    ck_assert_int_ne(ssh_channel_open_reverse_forward(tunnel->channel, "localhost", (int)number,
                                                      "192.0.2.7", 50122),
                     SSH_ERROR);
}

void ssh_pair_tunnels(struct ssh_pair *pair, size_t count, bool site_speaks_first)
{
    pair->tunnels = calloc(count, sizeof *pair->tunnels);
    for (size_t i = 0; i < count; i++, pair->count = i)
        open_tunnel(pair, i, site_speaks_first);
    transport_kick(pair->hub.transport);
    for (size_t i = 0; i < count; i++) {
        while (!pair->tunnels[i].hub || !pair->tunnels[i].site) {
            ck_assert_str_eq(pair->hub.down, "");
            ssh_pair_step(pair, true);
        }
    }
}
