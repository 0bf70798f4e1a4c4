/* What the client can do; each takes its arguments after the hub's, and returns an exit code. */
#ifndef CLIENT_MODES_H
#define CLIENT_MODES_H

#include "login.h"

int mode_redeem(const struct hub *hub, char **arguments);
int mode_flood(const struct hub *hub, char **arguments);
int mode_forge(const struct hub *hub, char **arguments);
int mode_narrow(const struct hub *hub, char **arguments);
int mode_narrow_through(const struct hub *hub, char **arguments);
int mode_swarm(const struct hub *hub, char **arguments);
int mode_timing(const struct hub *hub, char **arguments);

#endif
