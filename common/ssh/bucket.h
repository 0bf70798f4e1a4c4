/*
 * The arithmetic of a token bucket: how many bytes may pass at a moment.  Time is the caller's.
 *
 * A bucket holds at most a tenth of a second's bytes, so that what was saved while nothing passed
 * hardly shows; at very low rates a little more, because a few bytes at a time are no packet.
 */
#ifndef SSH_BUCKET_H
#define SSH_BUCKET_H

#include <stdint.h>

#define BUCKET_RATE_MAX UINT64_C(10000000000) /* bytes a second; a larger rate counts as this */

/* All zero: no limit. */
struct bucket {
    uint64_t rate;   /* bytes a second; 0: no limit */
    uint64_t tokens; /* bytes that may pass now */
    uint64_t rest;   /* of a token, in billionths */
    uint64_t at_ns;  /* when the tokens were last counted */
};

/* Tokens that were there stay, as far as the new rate's bucket holds them; a bucket that had no
 * limit begins full. */
void bucket_set_rate(struct bucket *bucket, uint64_t rate, uint64_t now_ns);

/* The tokens of now.  Not for a bucket without a limit, and so the functions below. */
uint64_t bucket_count(struct bucket *bucket, uint64_t now_ns);
/* Less than this is not worth a packet: waiting streams are called when so much is there.  A
 * hundredth of a second's bytes, or 256, but never more than a second's. */
uint64_t bucket_quantum(const struct bucket *bucket);
uint64_t bucket_capacity(const struct bucket *bucket);
void bucket_take(struct bucket *bucket, uint64_t bytes);
void bucket_give_back(struct bucket *bucket, uint64_t bytes);
/* Counted from the last bucket_count: how long until there is a quantum.  0: it is there. */
uint64_t bucket_wait_ns(const struct bucket *bucket);

#endif
