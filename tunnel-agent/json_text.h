/*
 * Texts for the local socket's JSON.
 */
#ifndef AGENT_JSON_TEXT_H
#define AGENT_JSON_TEXT_H

#include <jansson.h>

/* The text with '?' for what is not printable ASCII (peers send anything), null when it is empty.
 */
json_t *json_text_or_null(const char *text);

#endif
