/*
 * The control socket's serving side, on libuv: accepts on a Unix socket, reads requests, lets a
 * handler answer now or later, and streams events to followers.  tunneld and tunnel-agent use it.
 *
 *   request  {"verb": "site.add", "args": {"name": "hannover"}}
 *   reply    {"ok": true, "data": ...}   or   {"ok": false, "error": "one sentence"}
 *   after a verb that follows, beside the reply: {"event": {...}} lines
 *
 * One request is answered before the next of the same client is read.  Bounds: CONTROL_CLIENTS_MAX
 * clients, FRAME_REQUEST_MAX a request, CONTROL_QUEUE_MAX bytes queued to a follower (a slower one
 * is cut off).  The program ignores SIGPIPE.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <jansson.h>
#include <sys/types.h>
#include <uv.h>

#include "base/fault.h"

#define CONTROL_CLIENTS_MAX 64
#define CONTROL_QUEUE_MAX   (8u << 20)

struct control_server;
struct control_request; /* lives until answered; if its client left, answering is harmless */

typedef void control_handler(void *owner, struct control_request *request);

/* Listens on `path`: mode 0600, or 0660 with `group` (NULL or "": none).  A stale socket file is
 * replaced, a live one is a fault.  A missing directory is made (0700, with `group` 0750). */
int control_server_open(uv_loop_t *loop, const char *path, const char *group,
                        control_handler *handler, void *owner, struct control_server **out,
                        struct fault *fault) MUST_CHECK;
/* From now on `group` ("": nobody beside the owner) may connect too; on failure nothing changed. */
int control_server_share(struct control_server *server, const char *group,
                         struct fault *fault) MUST_CHECK;
/* Asynchronous; removes the socket file; pending requests may still be answered (into nothing). */
void control_server_close(struct control_server *server);

const char *control_request_verb(const struct control_request *request);
const json_t *control_request_args(const struct control_request *request); /* an object, borrowed */
/* Who asks, by peer credentials: "root", "uid 1000 (anna)". */
const char *control_request_actor(const struct control_request *request);

/* Exactly one of these, once for each request.  `data` is stolen (NULL: an empty object). */
void control_reply(struct control_request *request, json_t *data);
void control_refuse(struct control_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Replies, and makes the client a follower of control_publish. */
void control_follow(struct control_request *request, json_t *data);

/* To every follower; `event` is borrowed. */
void control_publish(struct control_server *server, const json_t *event);

#endif
