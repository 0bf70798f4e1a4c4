/*
 * The form of ssh_port's inputs: a list of records, each one thing that happens to a worker.  Texts
 * and packets stand in them as a client would have them before it encrypts, so that a recorded
 * handshake goes on to be one when bytes of it change.
 */
#ifndef TESTS_SSH_RECORDS_H
#define TESTS_SSH_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_HEAD    4 /* how, what, and the length of the payload (big-endian) */
#define RECORD_MAX     4096
#define RECORDS_MAX    128
#define RECORD_KIND(h) ((h)&7)

/* The first byte's low bits. */
enum record_kind {
    RECORD_PACKET, /* a packet: framed, and encrypted when there are keys; what: longer padding */
    RECORD_RAW,    /* as it is: banners, and what is no packet at all */
    RECORD_SIGNED, /* a packet that ends with the client's signature over it */
    RECORD_LYING,  /* a packet with another length before it: its last four bytes */
    RECORD_TIME,   /* what: quarters of a second that pass */
    RECORD_PARENT, /* the parent says something; what: see say_unasked in ssh_port.c */
    RECORD_KINDS,  /* the two that are left are packets, too */
};

/* The rest of it. */
#define RECORD_VERDICT(h) ((h) >> 3 & 3) /* what the parent answers from here on */
#define RECORD_AT_ONCE    0x20           /* the next one comes before the worker looks */
#define RECORD_HALVES     0x40           /* comes in two pieces */

struct record {
    uint8_t how, what;
    size_t length;
    const uint8_t *payload; /* in the input */
};

/* The records of an input; one that is cut short ends with it. */
size_t records_read(const uint8_t *data, size_t size, struct record records[RECORDS_MAX]);
/* Back into an input of at most `room` bytes: what does not fit is left out.  Returns its size. */
size_t records_write(const struct record *records, size_t count, uint8_t *data, size_t room);

#endif
