/*
 * Two transports that speak SSH with each other over a loopback connection, both on one loop: a
 * hub's side and a site's.  Each tunnel that is opened has a TCP socket at either end, in the
 * test's hands.
 */
#ifndef TESTS_SSH_PAIR_H
#define TESTS_SSH_PAIR_H

#include "ssh/stream.h"
#include "ssh/transport.h"

struct ssh_pair;

struct ssh_side {
    struct ssh_pair *pair;
    struct transport *transport; /* NULL once down */
    ssh_session session;
    bool connected, authenticated;
    bool wants_global; /* transport_global_begin in every turn until granted (the site's only) */
    bool hold_each;    /* hold the transport at each message (the hub's side only) */
    unsigned messages; /* that were handed out, of all kinds */
    char down[256];    /* why; empty while up */
};

/* visitor | hub's stream = SSH = site's stream | target */
struct tunnel {
    struct ssh_pair *pair;
    int visitor, target; /* the test's ends; -1 once it closed them */
    int hub_socket, site_socket;
    ssh_channel channel; /* the hub's, until its stream starts */
    struct stream *hub, *site;
    size_t filled;          /* zeroes that the visitor's socket was full of */
    bool site_speaks_first; /* "hello" and EOF before the hub could start its stream */
    unsigned ended;         /* how many of the two streams */
    struct stream_result hub_result, site_result;
};

struct ssh_pair {
    uv_loop_t loop;
    struct ssh_side hub, site;
    struct tunnel *tunnels;
    size_t count;
    uint64_t rekey_bytes; /* 0: libssh's own bound */
    const char *ciphers;  /* NULL: libssh's own */
    /* Of the hub's streams, when they start: */
    const char *prefix; /* NULL: none */
    bool window_spent;  /* zeroes have filled the peer's window before */
    /* So many zeroes of the site come before the hub could start its stream, for a visitor whose
     * socket is full. */
    size_t site_zeroes;
    /* The target's end of an even tunnel and the visitor's end of the next are an AF_UNIX pair
     * between their streams; for the test both are -1. */
    bool chained;
};

/* A connected pair of loopback TCP sockets, non-blocking. */
void tcp_pair(int ends[2]);

void ssh_pair_open(struct ssh_pair *pair);
void ssh_pair_close(struct ssh_pair *pair);
/* One turn of the loop; waits for events if `wait`. */
void ssh_pair_step(struct ssh_pair *pair, bool wait);
/* Opens `count` tunnels and waits until all are up. */
void ssh_pair_tunnels(struct ssh_pair *pair, size_t count, bool site_speaks_first);

#endif
