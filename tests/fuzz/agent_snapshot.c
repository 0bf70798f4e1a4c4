/* What a hub writes on the `forwards` channel: two lines, so that the second meets a list that the
 * first has left. */
#undef NDEBUG /* the checks are the point */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/frames.h"
#include "tunnel-agent/forward_list.h"
#include "tunnel-agent/outbound_list.h"

#define STEPS_MAX 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever was listed, the work comes to an end. */
static void settle(struct forward_list *list)
{
    struct forward *forward;
    enum forward_work work;
    unsigned steps = 0;
    while ((work = forward_list_next(list, 0, &forward)) != FORWARD_NOTHING) {
        forward->state = work == FORWARD_PUBLISH ? FORWARD_PUBLISHED : FORWARD_ABSENT;
        forward_list_sweep(list);
        assert(++steps < STEPS_MAX);
    }
    for (size_t i = 0; i < list->count; i++)
        assert((list->items[i].state == FORWARD_PUBLISHED) == list->items[i].allowed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char any[] = "10.0.0.1:*";
    static char *items[] = {any};
    const struct text_list allowed = {1, items};
    struct forward_list list = {0};
    struct frames frames;
    json_t *line;
    frames_init(&frames, 1u << 20);
    if (frames_feed(&frames, data, size, NULL) == 0) {
        while (frames_next(&frames, &line, NULL) == 1) {
            if (forward_list_apply(&list, line, &allowed, NULL) == 0)
                settle(&list);
            struct outbound_list outbound;
            if (outbound_list_read(line, &outbound, NULL) == 0)
                assert(outbound.count <= OUTBOUND_MAX);
            json_decref(line);
            json_decref(forward_list_answer(&list));
        }
    }
    frames_release(&frames);
    forward_list_release(&list);
    return 0;
}
