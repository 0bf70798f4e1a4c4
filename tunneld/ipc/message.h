/*
 * Messages between the parent and a worker or the dialer: their types, fields, bounds, and wire
 * form.
 *
 * One message is one SOCK_SEQPACKET record: type (u16), then the type's fields in the order of
 * `enum message_field`; integers are little-endian u64, texts and blobs have a u32 length before
 * them.  Which fields a type has, which way it travels and whether a descriptor rides along
 * (SCM_RIGHTS) is one table in message.c; encoding and decoding both walk it.  A record that is
 * shorter, longer, out of bounds or of the wrong direction is refused whole.  Texts to the parent
 * are printable ASCII, because they hold what strangers sent.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define MESSAGE_TEXT_SIZE 512   /* texts with their NUL */
#define MESSAGE_DATA_MAX  32768 /* blobs */
#define MESSAGE_KEY_MAX   16384 /* the host key's PEM, or a peer's public key blob */
#define MESSAGE_WIRE_MAX  (64 * 1024)

/* A worker numbers the visitors that it accepts itself from its own number times this on. */
#define VISITOR_IDS UINT64_C(1000000000)

enum message_type {
    /* parent -> worker */
    MESSAGE_HELLO = 1, /* key: host key (PEM), data: settings (JSON), count: worker number, cid:
                          where its own numbers of connections begin */
    MESSAGE_SESSION,   /* sid, peer, descriptor: a stranger's connection, accepted */
    MESSAGE_REPLY,     /* request, code (enum verdict), port, text: reason for people, data */
    MESSAGE_SNAPSHOT,  /* sid, generation, flags (MESSAGE_LAST), data: piece of a JSON line */
    MESSAGE_CONNECT,   /* cid, sid, port, address: bind address as the client asked for it,
                          peer: visitor, timeout_ms: for the target to answer, data: what the target
                          gets before the visitor's bytes, descriptor: the visitor's socket */
    MESSAGE_PROBE,     /* sid: asks the peer for an answer to a question put now; ALIVE tells of
                          it, HEARD of whatever comes until then */
    MESSAGE_CLOSE,     /* sid or cid (the other 0), text: reason */
    MESSAGE_SETTINGS,  /* data: settings that changed (JSON) */
    MESSAGE_HOST_KEY,  /* key: host key (PEM) of the sessions that begin from now on */
    MESSAGE_DRAIN,     /* text: reason, count: seconds over which the peers are told to come back
                          (0: they are told nothing); end every session in order, then exit */
    MESSAGE_POLICY,    /* sid, port: what all connections of that forward share: rate_in, rate_out
                          (bytes a second, 0: no limit), timeout_ms (idle, 0: none) */
    MESSAGE_ATTACH,    /* request (of an OPEN), cid (0: not counted here), descriptor: a socket to
                          what was asked for */
    MESSAGE_LOG,       /* sid, text: level of that session's log lines; "": as all others */
    MESSAGE_LISTEN,    /* sid, port, address, timeout_ms as in CONNECT, generation: counts the
                          targets that the forward has had; descriptor: a listening socket, whose
                          visitors the worker accepts itself */
    MESSAGE_UNLISTEN,  /* sid, port: no longer */
    /* parent -> dialer, beside HELLO (no key), SETTINGS and DRAIN */
    MESSAGE_DIAL,    /* request, address: host, port, timeout_ms: for resolving, and again for
                        connecting */
    MESSAGE_ABANDON, /* request: nobody waits for it any more */
    /* worker -> parent */
    MESSAGE_READY,     /* text: confinement in force, for `status` */
    MESSAGE_IDENTIFY,  /* request, sid, user, key, flags (MESSAGE_PROVEN) */
    MESSAGE_REDEEM,    /* request, sid, key, text: token (secret) */
    MESSAGE_UP,        /* sid, text: client software, address: cipher */
    MESSAGE_QUERY,     /* request, sid, text: the command asked for on a session channel */
    MESSAGE_PUBLISH,   /* request, sid, address, port */
    MESSAGE_UNPUBLISH, /* request, sid, address, port */
    MESSAGE_REPORT,    /* sid, generation, address, port, flags, text: reason.  MESSAGE_FAILED: a
                          connection to the target failed; MESSAGE_OUTBOUND: the agent does not
                          listen on address and port, or, without them, it listens on all that
                          no such report follows about; else it refuses the forward */
    MESSAGE_REFUSAL,   /* sid, text: what else was asked for and refused ("shell", "x11"...) */
    MESSAGE_OPENED,    /* cid, code (enum verdict), text: reason when refused */
    MESSAGE_CLOSED,    /* cid, bytes_in, bytes_out, text: reason */
    MESSAGE_VISITOR, /* cid (the worker's own), sid, port, generation as in LISTEN, peer, count: ms
                        since it came, code: GRANTED if the site has answered, descriptor: a
                        visitor that the worker has accepted.  The parent may CLOSE it, and then
                        knows nothing of it */
    MESSAGE_VISITED, /* cid, sid, port, peer, count: duration in ms, bytes_in, bytes_out, text:
                        reason:   such a visitor was served so shortly that the parent was not told
                        before */
    MESSAGE_ALIVE,   /* sid, rtt_us */
    MESSAGE_STATS,   /* data: u64 little-endian triples (cid, bytes_in, bytes_out) */
    MESSAGE_GONE,    /* sid, text: reason */
    MESSAGE_ROTATE,  /* request, sid, key: what the site wants its key to be from now on */
    MESSAGE_OPEN,    /* request, sid, address, port: where a direct-tcpip channel shall lead, peer:
                        its originator; answered by ATTACH, or by REPLY with a refusal */
    /* dialer -> parent, beside READY: one of these for each DIAL that was not abandoned */
    MESSAGE_DIALLED,   /* request, descriptor: a connected socket */
    MESSAGE_UNDIALLED, /* request, text: reason */
    /* heartbeat: parent -> worker, and back with the same number */
    MESSAGE_PING, /* request */
    MESSAGE_PONG, /* request */
    /* worker -> parent; at the end, for what has been recorded knows the numbers */
    MESSAGE_HEARD, /* sid */
    MESSAGE_TYPE_END,
};

/* How the parent answers. */
enum verdict {
    VERDICT_REFUSED = 0,
    VERDICT_GRANTED = 1,
    VERDICT_PARTIAL = 2,  /* IDENTIFY of `enrol`: the key is fine, now the token */
    VERDICT_OPERATOR = 3, /* IDENTIFY: granted, to an operator */
};

#define MESSAGE_PROVEN   1u /* IDENTIFY: the peer signed with this key */
#define MESSAGE_LAST     1u /* SNAPSHOT: the line is complete */
#define MESSAGE_FAILED   1u /* REPORT */
#define MESSAGE_OUTBOUND 2u /* REPORT */

enum message_field {
    FIELD_REQUEST,
    FIELD_SID,
    FIELD_CID,
    FIELD_GENERATION,
    FIELD_PORT,
    FIELD_CODE,
    FIELD_FLAGS,
    FIELD_COUNT,
    FIELD_BYTES_IN,
    FIELD_BYTES_OUT,
    FIELD_RTT_US,
    FIELD_TIMEOUT_MS,
    FIELD_RATE_IN,
    FIELD_RATE_OUT,
    FIELD_USER,
    FIELD_PEER,
    FIELD_ADDRESS,
    FIELD_TEXT,
    FIELD_KEY,
    FIELD_DATA,
    FIELD_END,
};

struct message {
    enum message_type type;
    uint64_t request, sid, cid, generation, port, code, flags, count, bytes_in, bytes_out, rtt_us,
        timeout_ms, rate_in, rate_out;
    char user[MESSAGE_TEXT_SIZE], peer[MESSAGE_TEXT_SIZE], address[MESSAGE_TEXT_SIZE],
        text[MESSAGE_TEXT_SIZE];
    const uint8_t *key; /* borrowed: from the sender, or from the receive buffer */
    size_t key_length;
    const uint8_t *data;
    size_t data_length;
    int descriptor; /* -1: none.  Sending borrows it; a received one is the receiver's */
};

enum message_direction { TO_WORKER, TO_PARENT };

/* All fields zero, no descriptor. */
void message_init(struct message *message, enum message_type type);
const char *message_name(enum message_type type);

/* Returns the length of the record in `wire` (MESSAGE_WIRE_MAX), or -1 if a field is too long
 * (ours to assert, except for what a peer sent: check before). */
long message_encode(const struct message *message, uint8_t *wire);
/* Fills `message` (descriptor untouched) or says what was wrong. */
int message_decode(const uint8_t *wire, size_t length, enum message_direction direction,
                   struct message *message, struct fault *fault) MUST_CHECK;
/* Does this type carry a descriptor? */
bool message_wants_descriptor(enum message_type type);

#endif
