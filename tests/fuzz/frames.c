/*
 * JSON lines from a peer: the first byte says how the rest is cut into pieces, the rest is fed.
 * What is read must be written and read back as the same object.
 */
#define _GNU_SOURCE
#include "control/frames.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(json_t *object)
{
    struct frames frames;
    struct fault fault;
    size_t length = 0;
    json_t *again = NULL;
    char *text = frame_text(object, &length);
    frames_init(&frames, FRAME_REPLY_MAX);
    if (!text || frames_feed(&frames, text, length, &fault) < 0 ||
        frames_next(&frames, &again, &fault) != 1 || !json_equal(object, again))
        abort();
    json_decref(again);
    free(text);
    frames_release(&frames);
}

static int drain(struct frames *frames)
{
    struct fault fault;
    json_t *object = NULL;
    int result;
    while ((result = frames_next(frames, &object, &fault)) > 0) {
        check_round_trip(object);
        json_decref(object);
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece = (size_t)data[0] + 1;
    struct frames frames;
    struct fault fault;
    frames_init(&frames, 512);
    for (size_t at = 1; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        if (frames_feed(&frames, data + at, length, &fault) < 0 || drain(&frames) < 0)
            break;
    }
    frames_release(&frames);
    return 0;
}
