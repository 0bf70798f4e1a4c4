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

#define LINE_BYTES 512 /* at first */

/* A line that is being written. */
struct writing {
    char *text;
    size_t used, size;
};

/* Not realloc: it would leave the old block unwiped. */
static int make_room(struct writing *writing, size_t wanted)
{
    size_t size = writing->size;
    while (size < wanted)
        size *= 2;
    char *text = malloc(size);
    if (!text)
        return -1;
    memcpy(text, writing->text, writing->used);
    secret_wipe(writing->text, writing->used);
    free(writing->text);
    writing->text = text;
    writing->size = size;
    return 0;
}

static int on_dumped(const char *bytes, size_t length, void *owner)
{
    struct writing *writing = owner;
    size_t wanted = writing->used + length + 2; /* the newline, and the end */
    if (wanted > writing->size && make_room(writing, wanted) < 0)
        return -1;
    memcpy(writing->text + writing->used, bytes, length);
    writing->used += length;
    return 0;
}

char *frame_text(const json_t *object, size_t *length)
{
    struct writing writing = {.text = malloc(LINE_BYTES), .size = LINE_BYTES};
    if (!writing.text)
        return NULL;
    if (json_dump_callback(object, on_dumped, &writing, JSON_COMPACT) != 0) {
        secret_wipe(writing.text, writing.used);
        free(writing.text);
        return NULL;
    }
    writing.text[writing.used] = '\n';
    writing.text[writing.used + 1] = '\0';
    *length = writing.used + 1;
    return writing.text;
}
