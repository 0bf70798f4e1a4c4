/*
 * The policy of a grant in force on its forward: visitors are judged before anything of them is
 * handed on, and a change reaches those that are there.
 */
#ifndef PARENT_ENFORCE_H
#define PARENT_ENFORCE_H

#include "parent/forwards.h"
#include "parent/proxy_protocol.h"

/* A visitor came ("address:port"), to be connected or to wait.  A refusal is counted and logged;
 * resetting is the caller's. */
enum policy_verdict forward_admit(struct forward *forward, const char *visitor) MUST_CHECK;
void forward_refuse(struct forward *forward, enum policy_verdict verdict, const char *visitor);
/* Why a visitor may not stay; NULL: it may. */
const char *forward_reason_to_cut(const struct forward *forward, const char *visitor,
                                  bool is_operator);

/* What the target gets before the first byte of the visitor whose socket this is, or of the
 * operator whose session it came by (NULL: a visitor); the length. */
size_t forward_header(const struct forward *forward, const char *visitor,
                      const struct session *opener, int descriptor,
                      unsigned char out[PROXY_HEADER_MAX]);
/* How long its target may take to answer. */
uint64_t forward_connect_timeout_ms(const struct forward *forward);
/* Tells the publisher's worker what the connections share. */
void forward_tell_policy(struct forward *forward);

/* The forward's grant is another than `before`, or new (then it is the same): connections and
 * waiting visitors that it forbids are cut, all connections if its target is another; what else
 * lives goes on under its limits. */
void forward_regrant(struct forward *forward, const struct grant *before);
/* Takes forwards whose grant has expired out of service, and brings back those that were
 * extended; again when the next is due. */
void forwards_mind_expiry(struct hub *hub);

#endif
