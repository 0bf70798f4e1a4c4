/*
 * Probes: keepalives whose answers are timed.  libssh has one place for all global requests of a
 * session, which the owner's own share with them.  When to probe is the owner's business.
 */
#define _GNU_SOURCE
#include "ssh/stream_internal.h"

/* A line that has become longer is believed after some answers. */
static void note_floor(struct transport *transport)
{
    uint64_t floor = transport->rtt_floor_us;

    if (floor == 0 || transport->rtt_us < floor)
        transport->rtt_floor_us = transport->rtt_us;
    else
        transport->rtt_floor_us += (transport->rtt_us - floor) / 8;
}

static void probe_done(struct transport *transport)
{
    transport->probe = PROBE_IDLE;
    transport->rtt_us = (uv_hrtime() - transport->probe_sent_ns) / 1000;
    if (transport->rtt_us == 0)
        transport->rtt_us = 1;
    note_floor(transport);
    if (transport->global_wanted)
        transport_kick(transport);
    transport->global_wanted = false;
    if (transport->handlers->on_rtt)
        transport->handlers->on_rtt(transport->owner, transport->rtt_us);
}

/* The call reads, too, what is there already.  A quick peer's answer may be: a message of one byte
 * (RFC 4254, 4), which libssh has then taken, so that none is pending any more. */
static void probe_send(struct transport *transport)
{
    struct ssh_counter_struct before = transport->messages;

    transport->probe = PROBE_ASKED;
    transport->probe_sent_ns = uv_hrtime();
    transport->probe_bytes = transport->counter.in_bytes;
    ssh_send_keepalive(transport->session);
    if (transport->messages.in_packets == before.in_packets + 1 &&
        transport->messages.in_bytes == before.in_bytes + 1)
        probe_done(transport);
}

/* ssh_send_keepalive does not say whether an answer came.  Any other call for a global request
 * does, because libssh has one place for all of them: while a request is pending, such a call
 * sends nothing and only tells how the pending one stands. */
static void probe_collect(struct transport *transport)
{
    transport->probe_bytes = transport->counter.in_bytes;
    if (ssh_channel_cancel_forward(transport->session, NULL, 0) != SSH_AGAIN)
        probe_done(transport);
}

/* What came while the transport was held is looked at afterwards: an answer among it must not wait
 * for the peer to say something else. */
void transport_probe_turn(struct transport *transport)
{
    if (transport->held || transport->global_busy || transport_is_over(transport))
        return;
    if (transport->probe == PROBE_WANTED)
        probe_send(transport);
    else if (transport->probe == PROBE_ASKED &&
             transport->counter.in_bytes != transport->probe_bytes)
        probe_collect(transport);
}

void transport_probe(struct transport *transport)
{
    if (transport->probe != PROBE_IDLE)
        return;
    transport->probe = PROBE_WANTED;
    transport_kick(transport);
}

uint64_t transport_rtt_us(const struct transport *transport)
{
    return transport->rtt_us;
}

bool transport_probe_pending(const struct transport *transport)
{
    return transport->probe == PROBE_ASKED || transport->global_busy;
}

bool transport_global_begin(struct transport *transport)
{
    transport->global_wanted = transport_probe_pending(transport);
    if (transport->global_wanted)
        return false;
    transport->global_busy = true;
    return true;
}

void transport_global_end(struct transport *transport)
{
    transport->global_busy = false;
    if (transport->probe == PROBE_WANTED)
        transport_kick(transport);
}
