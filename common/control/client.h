/*
 * The control socket's asking side: blocking, for command-line programs.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#include "base/fault.h"

#define CONTROL_REFUSED     (-1) /* the daemon said no: the fault is its sentence */
#define CONTROL_UNREACHABLE (-3) /* no daemon there, or it went away; the fault says so */
/* A signal came while waiting for an event, or the reader went. */
#define CONTROL_INTERRUPTED (-4)

struct control_client;

int control_client_open(const char *path, struct control_client **out,
                        struct fault *fault) MUST_CHECK;
void control_client_close(struct control_client *client);
/* `args` is stolen (NULL: none).  0 and *data (the caller's), or a code from above. */
int control_client_call(struct control_client *client, const char *verb, json_t *args,
                        json_t **data, struct fault *fault) MUST_CHECK;
/* The next event after a following verb, beside which nothing else is asked; waits for as long
 * as it takes.  0, CONTROL_UNREACHABLE at the stream's end, or CONTROL_INTERRUPTED, also when
 * nobody reads `reader` any more (a descriptor that is written to; -1: none). */
int control_client_next_event(struct control_client *client, int reader, json_t **event,
                              struct fault *fault) MUST_CHECK;

/* Where tunneld's socket is looked for: $TUNNELD_SOCKET, else
 * $XDG_RUNTIME_DIR/tunneld/control.sock, else /run/tunneld/control.sock.  (--socket goes before all
 * of these.) */
int control_default_path(char *path, size_t size, struct fault *fault) MUST_CHECK;

#endif
