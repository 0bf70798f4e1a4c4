/* OPENED and CLOSED, as messages.  When which is due is relay.c's business. */
#define _GNU_SOURCE
#include "worker/outcome.h"

void outcome_opened(struct office *office, uint64_t cid, enum verdict verdict, const char *reason)
{
    struct message message;

    message_init(&message, MESSAGE_OPENED);
    message.cid = cid;
    message.code = (uint64_t)verdict;
    office_text(message.text, reason);
    office_send(office, &message);
}

void outcome_closed(struct office *office, uint64_t cid, uint64_t in, uint64_t out,
                    const char *reason)
{
    struct message message;

    message_init(&message, MESSAGE_CLOSED);
    message.cid = cid;
    message.bytes_in = in;
    message.bytes_out = out;
    office_text(message.text, reason);
    office_send(office, &message);
}

void outcome_lost(struct office *office, uint64_t cid, const char *reason)
{
    outcome_closed(office, cid, 0, 0, reason);
}

void outcome_refused(struct office *office, uint64_t cid, const char *reason)
{
    outcome_opened(office, cid, VERDICT_REFUSED, reason);
    outcome_lost(office, cid, reason);
}
