/*
 * What `check` reads off the wire, as pure functions: the first bytes of a peer, and the text of
 * the hub's `status`.
 */
#ifndef AGENT_CHECK_TEXT_H
#define AGENT_CHECK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define BANNER_SIZE 256 /* RFC 4253, 4.2: at most 255 characters with CR and LF */

enum banner {
    BANNER_MORE,  /* cannot be told yet */
    BANNER_SSH,   /* "SSH-2.0-..." */
    BANNER_OTHER, /* anything else */
};

/* Judges the first bytes.  A hub's first line is its version (it sends none before).  `last`: no
 * more will come. */
enum banner banner_judge(const char *bytes, size_t length, bool last);
/* Its first line, or the first bytes of what is no text; never longer than the buffer. */
char *banner_line(const char *bytes, size_t length, char line[BANNER_SIZE]);

/* One forward or outbound grant that the hub's `status` lists. */
struct granted {
    char listen[HOST_PORT_SIZE];
    struct host_port target;
    char state[32];
    char reason[256];
};

#define GRANTED_MAX 4096

/* *out is malloc'ed, NULL when there are none.  A text without a list of forwards, or with a line
 * that is none, is a fault. */
int status_forwards(const char *text, struct granted **out, size_t *count,
                    struct fault *fault) MUST_CHECK;
/* The same for outbound grants, which listen here; a text without a list of them has none. */
int status_outbound(const char *text, struct granted **out, size_t *count,
                    struct fault *fault) MUST_CHECK;
/* The hub's clock when this session began; false when the text does not tell. */
bool status_time(const char *text, int64_t *wall_s);

#endif
