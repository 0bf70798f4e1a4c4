/*
 * The control verbs (docs/architecture.md): a table of names, arguments and handlers.
 */
#ifndef PARENT_VERBS_H
#define PARENT_VERBS_H

#include "control/server.h"
#include "parent/hub.h"

struct forward;
struct session;

typedef void verb_handler(struct hub *hub, struct control_request *request, const json_t *args);

/* The control server's handler; `owner` is the hub. */
void verbs_serve(void *owner, struct control_request *request);

verb_handler verb_version, verb_status, verb_metrics, verb_reload, verb_log_level,
    verb_host_key_show, verb_host_key_rotate, verb_events;
verb_handler verb_site_add, verb_site_list, verb_site_show, verb_site_enable, verb_site_disable,
    verb_site_remove, verb_site_check, verb_site_rotate;
verb_handler verb_export, verb_apply;
verb_handler verb_keyfile_issue, verb_keyfile_list, verb_keyfile_revoke;
verb_handler verb_port_allow, verb_port_set, verb_port_enable, verb_port_disable, verb_port_remove,
    verb_port_list, verb_port_show, verb_port_reset;
verb_handler verb_outbound_allow, verb_outbound_remove, verb_outbound_list;
verb_handler verb_operator_add, verb_operator_set, verb_operator_remove, verb_operator_list;
verb_handler verb_session_list, verb_session_kick, verb_forward_list, verb_connection_list,
    verb_connection_close;

/* Arguments, once checked against the table: "" or 0 where they are absent. */
const char *arg_text(const json_t *args, const char *name);
int64_t arg_number(const json_t *args, const char *name);
bool arg_flag(const json_t *args, const char *name);

/* The site that `name` (an argument's name) names, or NULL and a refusal that was sent. */
struct site *arg_site(struct hub *hub, struct control_request *request, const json_t *args,
                      const char *name);
/* The forward that the arguments `site` and `port` name, or NULL and a refusal that was sent. */
struct forward *arg_forward(struct hub *hub, struct control_request *request, const json_t *args);
/* For lists: is there a filter, and which site is meant?  False: refused already. */
bool arg_site_filter(struct hub *hub, struct control_request *request, const json_t *args,
                     const struct site **only);

/* An administrative verb was carried out: event with its actor. */
void verb_done(struct hub *hub, struct control_request *request, const char *site,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
