/*
 * What is said to a proxy until it has made the connection.  Pure: the caller sends the output,
 * feeds what comes back, and learns how much of it was the proxy's: all behind that is the other
 * end's.  What a proxy can make us read is bounded.
 */
#ifndef NET_PROXY_TALK_H
#define NET_PROXY_TALK_H

#include <stddef.h>
#include <stdint.h>

#include "net/proxy.h"

#define PROXY_OUTPUT_MAX 2048
#define PROXY_ANSWER_MAX 16384 /* of HTTP; SOCKS has lengths of its own */
#define PROXY_LINE_SIZE  160

enum proxy_result {
    PROXY_WAIT, /* send the output, feed more */
    PROXY_OPEN, /* connected */
    PROXY_REFUSED,
};

enum proxy_phase {
    PROXY_PHASE_HEAD,   /* HTTP: the answer's head */
    PROXY_PHASE_METHOD, /* SOCKS: which login it wants */
    PROXY_PHASE_LOGIN,  /* SOCKS: its word on user and password */
    PROXY_PHASE_REPLY,  /* SOCKS: its word on the connection */
    PROXY_PHASE_OVER,
};

struct proxy_talk {
    const struct proxy *proxy;  /* borrowed */
    const struct host_port *to; /* borrowed */
    enum proxy_phase phase;
    uint8_t output[PROXY_OUTPUT_MAX];
    size_t output_length, output_sent;
    uint8_t answer[PROXY_LINE_SIZE > 262 ? PROXY_LINE_SIZE : 262]; /* as far as it is looked at */
    size_t answer_length; /* of a SOCKS answer, of HTTP's first line */
    size_t head_length;   /* HTTP: all so far */
    size_t line_length;   /* HTTP: of the present line */
    bool line_done;       /* HTTP: the first line has ended */
    bool login_refused;   /* or none was given and one is wanted: only a person can change that */
};

/* `proxy` is not PROXY_NONE. */
void proxy_talk_begin(struct proxy_talk *talk, const struct proxy *proxy,
                      const struct host_port *to);
/* What is to be sent now (borrowed until the next call), and that it was. */
const uint8_t *proxy_talk_output(const struct proxy_talk *talk, size_t *length);
void proxy_talk_sent(struct proxy_talk *talk, size_t length);
/* Bytes from the proxy; *taken of them were its own.  The fault of a refusal is a sentence in which
 * the proxy stands without its login. */
enum proxy_result proxy_talk_feed(struct proxy_talk *talk, const uint8_t *bytes, size_t length,
                                  size_t *taken, struct fault *fault);
/* The connection to the proxy ended (`why`: a phrase) before it had answered. */
void proxy_talk_broken(const struct proxy_talk *talk, const char *why, struct fault *fault);
/* There is a password in the output. */
void proxy_talk_wipe(struct proxy_talk *talk);

#endif
