/*
 * A live site's change of its own key: asked for, bound as pending, activated.
 */
#ifndef PARENT_ROTATION_H
#define PARENT_ROTATION_H

#include "parent/sessions.h"

/* From now on until it has a new key, the site is asked for one.  -1: it cannot be asked now. */
int rotation_ask(struct site *site, struct fault *fault) MUST_CHECK;

/* ROTATE. */
int rotation_on_rotate(struct session *session, const struct message *message, struct fault *fault);

/* The command `activate`: the key of this session becomes current.  `text` says what came of it.
 * -1: refused. */
int rotation_activate(struct session *session, char *text, size_t size,
                      struct fault *fault) MUST_CHECK;

#endif
