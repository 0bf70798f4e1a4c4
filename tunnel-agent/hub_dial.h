/*
 * Dialling the hub the way that this site's network wants it: directly, or through a proxy that
 * `proxy` in agent.yaml or the environment names.  What is handed over is a connection to the hub
 * on which nothing was said yet.
 */
#ifndef AGENT_HUB_DIAL_H
#define AGENT_HUB_DIAL_H

#include <uv.h>

#include "config/agent_settings.h"
#include "net/dial.h"
#include "net/proxy.h"

struct hub_dial;

/* As dial_start, for a hub; the time limit is the settings' connect_timeout, counted again for the
 * proxy's answer.  `handlers` are borrowed for as long as it lives; judge is not asked.
 */
int hub_dial_start(uv_loop_t *loop, const struct agent_settings *settings,
                   const struct host_port *hub, const struct dial_handlers *handlers, void *owner,
                   struct hub_dial **out, struct fault *fault) MUST_CHECK;
/* No handler is called any more.  NULL is fine. */
void hub_dial_cancel(struct hub_dial *dial);

/* In on_failed: did a proxy refuse the login, or want one?  Only a person can change that. */
bool hub_dial_login_refused(const struct hub_dial *dial);

/* Which proxy is used for it, without its login; "": none. */
char *hub_dial_way(const struct agent_settings *settings, const struct host_port *hub,
                   char text[PROXY_TEXT_SIZE]);

#endif
