/*
 * JSON lines in and out of memory.  Knows nothing of sockets or verbs; never quotes what it
 * could not read, because a damaged request may still hold a token.
 */
#define _GNU_SOURCE
#include "control/frames.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

void frames_init(struct frames *frames, size_t max)
{
    *frames = (struct frames){.max = max};
}

void frames_release(struct frames *frames)
{
    secret_wipe(frames->data, frames->size);
    free(frames->data);
    frames_init(frames, frames->max);
}

/* Not realloc: it would leave the old block unwiped. */
static int grow(struct frames *frames, size_t wanted)
{
    size_t size = frames->size ? frames->size : 4096;
    while (size < wanted)
        size *= 2;
    if (size == frames->size)
        return 0;
    char *data = malloc(size);
    if (!data)
        return -1;
    if (frames->used)
        memcpy(data, frames->data, frames->used);
    secret_wipe(frames->data, frames->size);
    free(frames->data);
    frames->data = data;
    frames->size = size;
    return 0;
}

static int too_long(const struct frames *frames, struct fault *fault)
{
    return fault_set(fault, "a line is longer than %zu bytes", frames->max);
}

/* The newline that ends the first line, or NULL; bytes are looked at once only. */
static char *line_end(struct frames *frames)
{
    if (frames->scanned == frames->used)
        return NULL;
    char *end = memchr(frames->data + frames->scanned, '\n', frames->used - frames->scanned);
    frames->scanned = end ? (size_t)(end - frames->data) : frames->used;
    return end;
}

int frames_feed(struct frames *frames, const void *data, size_t length, struct fault *fault)
{
    if (length == 0)
        return 0;
    /* Also when lines were fed but never taken: what is kept has one bound. */
    if (frames->used > frames->max)
        return too_long(frames, fault);
    if (grow(frames, frames->used + length) < 0)
        return fault_set(fault, "out of memory for a line of %zu bytes", frames->used + length);
    memcpy(frames->data + frames->used, data, length);
    frames->used += length;
    if (!line_end(frames) && frames->used > frames->max)
        return too_long(frames, fault);
    return 0;
}

static void drop_line(struct frames *frames, size_t length)
{
    memmove(frames->data, frames->data + length, frames->used - length);
    secret_wipe(frames->data + frames->used - length, length);
    frames->used -= length;
    frames->scanned = 0;
    if (frames->used == 0)
        frames_release(frames); /* many are silent for a long time */
}

int frames_next(struct frames *frames, json_t **object, struct fault *fault)
{
    char *end = line_end(frames);
    if (!end)
        return 0;
    size_t length = (size_t)(end - frames->data);
    if (length > frames->max)
        return too_long(frames, fault);
    json_error_t error;
    json_t *parsed = json_loadb(frames->data, length, JSON_REJECT_DUPLICATES, &error);
    drop_line(frames, length + 1);
    if (!parsed)
        return fault_set(fault, "a line is no JSON object (column %d)", error.column);
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return fault_set(fault, "a line is JSON, but no object");
    }
    *object = parsed;
    return 1;
}

char *frame_text(const json_t *object, size_t *length)
{
    size_t wanted = json_dumpb(object, NULL, 0, JSON_COMPACT);
    if (wanted == 0)
        return NULL;
    char *text = malloc(wanted + 2);
    if (!text)
        return NULL;
    if (json_dumpb(object, text, wanted, JSON_COMPACT) != wanted) {
        free(text);
        return NULL;
    }
    text[wanted] = '\n';
    text[wanted + 1] = '\0';
    *length = wanted + 1;
    return text;
}
