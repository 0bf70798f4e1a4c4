/*
 * What transport.c, probes.c, stream.c, service.c and flow.c share: the insides of a transport and
 * of its streams. Nobody else includes this.
 */
#ifndef SSH_STREAM_INTERNAL_H
#define SSH_STREAM_INTERNAL_H

#include <sys/queue.h>

#include "ssh/backlog.h"
#include "ssh/lap.h"
#include "ssh/pace_place.h"
#include "ssh/rest.h"
#include "ssh/shortcut.h"
#include "ssh/sockets.h"
#include "ssh/stream.h"
#include "ssh/transport.h"
#include "ssh/turns.h"
#include "ssh/window.h"
#include "ssh/wire.h"

#include <libssh/callbacks.h>

TAILQ_HEAD(stream_list, stream);

enum probe_state {
    PROBE_IDLE,
    PROBE_WANTED, /* as soon as libssh's one place for global requests is free */
    PROBE_ASKED,  /* keepalive sent, no answer yet */
};

struct transport {
    uv_loop_t *loop;
    uv_poll_t poll; /* on a copy of the descriptor: libssh closes its own at any time */
    int descriptor; /* of `poll` */
    struct socket_place socket;
    struct lap_place place;

    ssh_session session;
    struct ssh_counter_struct counter;  /* bytes of the socket */
    struct ssh_counter_struct messages; /* and what they hold, without padding and MACs */
    uint64_t heard_bytes, heard_ms;     /* the counter when last looked at, and since when */
    uint64_t pumped_bytes;              /* the counter when libssh last had nothing more to read */
    struct rest rest;
    const struct transport_handlers *handlers;
    void *owner;
    int log_level; /* see transport_set_log_level */

    struct sockets *sockets; /* from the first stream on; they watch instead of `poll` */
    struct wire *wire;       /* since then; NULL: libssh asks the kernel itself */
    bool ready;              /* the descriptor has something for libssh */
    bool held;               /* see transport_hold */
    bool blocked;            /* a write came back short: a key exchange is on */
    bool in_turn;
    bool alone;    /* one stream at most is busy in this turn */
    bool pumping;  /* and what it is about to do has not been done yet */
    bool closing;  /* `reason` is set; the turn that sees it ends the transport */
    bool lost;     /* the peer or the line ended it, not we */
    bool finished; /* libssh's session is disconnected, its channels freed; handles close */
    char *reason;  /* kept_text.h */

    enum probe_state probe;
    bool global_busy;   /* the owner's request occupies libssh's place */
    bool global_wanted; /* it is to wait for a turn behind the probe's answer */
    uint64_t probe_sent_ns, rtt_us;
    uint64_t rtt_floor_us; /* without what our own queues add: the least lately; 0: not known */
    uint64_t probe_bytes;  /* the counter when the answer was last looked for */

    struct stream *speaker; /* whose bytes came last */
    uint64_t spoken_bytes;  /* of them without another's between them */
    struct shortcut in;     /* for its next bytes */
    struct stream *corked;  /* the kernel waits for more of them */

    struct stream_list streams;   /* all that have not ended */
    struct stream_list lingering; /* ended; the peer has not closed the channel yet */
    struct stream_list dirty;     /* something happened: look at them in this turn */
    size_t lingering_count, dirty_count;
    struct turns turns; /* of those that would read their socket */
};

#define REASON_SIZE 160 /* of a stream; longer ones are cut */

struct stream {
    TAILQ_ENTRY(stream) all;  /* in `streams` or `lingering` */
    TAILQ_ENTRY(stream) next; /* in `dirty` */
    bool dirty;
    struct turn turn; /* to read the socket; nobody watches it meanwhile */
    struct transport *transport;
    ssh_channel channel; /* NULL once freed */
    struct ssh_channel_callbacks_struct callbacks;
    int socket; /* -1 once closed */
    struct socket_place place;
    stream_done *done;
    void *owner;

    /* socket -> channel */
    uint64_t from_socket_bytes;
    uint8_t *unsent; /* the prefix, or what a short ssh_channel_write left over */
    size_t unsent_start, unsent_end;
    size_t prefix_left; /* of stream_prefix's bytes, the first of `unsent` */
    struct pace_place into_channel;
    bool readable;   /* the loop said so, and the socket was not read empty since */
    bool hung_up;    /* the loop told of its end, which is to be read */
    bool socket_eof; /* the socket's end was read */
    bool eof_sent;
    bool failing; /* the socket reported an error: read what is left, then give up */

    /* channel -> socket */
    uint64_t from_channel_bytes;
    size_t buffered;          /* bytes that wait in libssh's channel buffer */
    struct backlog unwritten; /* what the socket did not take, before those */
    size_t waiting_max;       /* while bytes wait: more than the peer may send meanwhile */
    size_t taken;             /* of the packet in libssh's hands: went by the shortcut */
    ssh_buffer past;          /* what shortcut.h avoids, borrowed from libssh */
    struct window window;
    struct pace_place into_socket;
    bool channel_eof;
    bool channel_closed;  /* by the peer */
    bool shut;            /* the socket's writing half */
    uint64_t deadline_ms; /* for draining after channel_closed */

    bool aborting;
    bool ended;
    const char *broken;       /* the phrase; NULL while the socket is well */
    char reason[REASON_SIZE]; /* of stream_abort */
};

/* --- transport.c --- */
/* Does libssh still have output that the kernel did not take? */
bool transport_congested(const struct transport *transport);
bool transport_is_over(const struct transport *transport);
/* For the first stream: its socket can be watched, and the kernel may receive as much as a long
 * line holds. */
int transport_make_room(struct transport *transport) MUST_CHECK;
/* From now on the streams with a deadline are looked at often, until there are none. */
void transport_tick(struct transport *transport);
/* For lap.c.  A turn may be the last: the transport is freed some time later. */
void transport_turn(struct transport *transport);
/* False: no more of it for now. */
bool transport_on_tick(struct transport *transport);

/* --- probes.c --- */
/* In a turn: sends the probe that is wanted, or looks for an answer. */
void transport_probe_turn(struct transport *transport);

/* --- stream.c --- */
/* Puts the stream on the list of the next (or this) turn; callable inside libssh callbacks. */
void stream_touch(struct stream *stream);
void stream_unlist(struct stream *stream);
/* Tells the owner, and closes the socket and, once the peer has, the channel. */
void stream_end(struct stream *stream, enum stream_end how, const char *reason);
/* The stream lets go of its channel, and of itself. */
void stream_forget_channel(struct stream *stream);
/* In the last turn, when libssh has freed all channels: ends all streams. */
void streams_finish(struct transport *transport, const char *reason);
/* Touches the streams that have a deadline; false if there are none. */
bool streams_check_deadlines(struct transport *transport);

/* --- service.c --- */
/* The loop tells of a stream's socket. */
void stream_on_event(void *owner, uint32_t events);
/* In a turn: moves what can be moved in all streams that were touched, and sends by turns. */
void streams_serve(struct transport *transport);

/* --- flow.c --- */
/* At the start, with what libssh's buffer holds already. */
void flow_begin(struct stream *stream, size_t buffered);
/* A shortcut's: inside libssh, before flow_receive is shown what is left of the packet. */
size_t flow_take(void *transport, const void *bytes, size_t length);
/* Inside libssh's data callback, with all bytes that wait in libssh's buffer: writes to the socket
 * what it and the pace take.  Returns the bytes that libssh may forget. */
size_t flow_receive(struct stream *stream, const void *data, size_t length);
/* Sends what flow_receive left with the kernel, in the hope of more. */
void flow_push(struct transport *transport);
/* The stream ends. */
void flow_forget(struct stream *stream);
void flow_to_socket(struct stream *stream);

enum flow_progress {
    FLOW_MORE,        /* there is more to send */
    FLOW_EMPTY,       /* the socket had nothing more, or it ended */
    FLOW_SHUT,        /* the peer's window is shut */
    FLOW_RATIONED,    /* the pace says when to go on */
    FLOW_INTERRUPTED, /* the session takes no more now */
};

/* May there be something for the channel, and a way to it?  A stream without is judged by settle.
 */
bool flow_can_send(struct stream *stream);
/* From the socket to the channel, as far as the turn's credit goes. */
enum flow_progress flow_to_channel(struct stream *stream);
/* Is the socket broken, or hung up altogether although our half is still open?  The other end of
 * an AF_UNIX pair has no other way to say that it ended out of order. */
bool flow_is_reset(const struct stream *stream);

#endif
