/*
 * The document of `export` and `apply`: what people decide about sites, grants and operators, and
 * nothing that comes about by itself (keys, sessions, figures).
 *
 *   {"version": 1,
 *    "sites": {"hannover": {"ports": {"8443": {"target": "192.168.1.10:443", "max_connections":
 * 10}}, "outbound": {"db.example.net:5432": {"listen": "127.0.0.1:5432"}}}}, "operators": {"alice":
 * {"key": "ssh-ed25519 AAAA...", "sites": ["hannover:22"]}}}
 *
 * What is at its default is left out: "enabled": true of a site or a grant, the hub's
 * forward_address as "address", the items of a policy (policy_json.h).
 */
#ifndef PARENT_DOCUMENT_H
#define PARENT_DOCUMENT_H

#include <jansson.h>

#include "parent/hub.h"

#define DOCUMENT_VERSION 1

struct grant;
struct operator_row;
struct outbound_row;
struct site;

/* Each NULL when out of memory. */
json_t *document_of(const struct hub *hub);
json_t *document_site(const struct site *site);
json_t *document_grant(const struct hub *hub, const struct grant *grant);
json_t *document_outbound(const struct outbound_row *row);
json_t *document_operator(const struct operator_row *row);

/* The way back.  `port` is the grant's key.  The fault says what is wrong with which item. */
int document_read_grant(const struct hub *hub, const char *port, const json_t *json,
                        struct grant *out, struct fault *fault) MUST_CHECK;
/* `target` is the grant's key. */
int document_read_outbound(const char *target, const json_t *json, struct outbound_row *out,
                           struct fault *fault) MUST_CHECK;
int document_read_operator(const char *name, const json_t *json, struct operator_row *out,
                           struct fault *fault) MUST_CHECK;
int document_read_port(const char *text, uint16_t *port, struct fault *fault) MUST_CHECK;
/* NULL: true. */
int document_read_enabled(const json_t *json, bool *enabled, struct fault *fault) MUST_CHECK;
/* Has the object only items of these names (NULL ends them)? */
int document_check_items(const json_t *json, const char *const *known,
                         struct fault *fault) MUST_CHECK;

#endif
