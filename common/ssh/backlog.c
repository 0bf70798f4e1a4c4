/* A chain of blocks that is filled at its end and emptied at its start. */
#define _GNU_SOURCE
#include "ssh/backlog.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (65536 - 64) /* with malloc's own words in 64 KiB */

struct backlog_block {
    TAILQ_ENTRY(backlog_block) next;
    size_t start, end, size;
    uint8_t bytes[];
};

void backlog_init(struct backlog *backlog)
{
    TAILQ_INIT(&backlog->blocks);
    backlog->bytes = 0;
}

void backlog_release(struct backlog *backlog)
{
    struct backlog_block *block;

    while ((block = TAILQ_FIRST(&backlog->blocks))) {
        TAILQ_REMOVE(&backlog->blocks, block, next);
        free(block);
    }
    backlog->bytes = 0;
}

static size_t room(const struct backlog_block *block)
{
    return block ? block->size - block->end : 0;
}

static void append(struct backlog_block *block, const uint8_t *bytes, size_t length)
{
    memcpy(block->bytes + block->end, bytes, length);
    block->end += length;
}

bool backlog_add(struct backlog *backlog, const uint8_t *bytes, size_t length)
{
    struct backlog_block *last = TAILQ_LAST(&backlog->blocks, backlog_list), *block = NULL;
    size_t here = room(last) < length ? room(last) : length, rest = length - here;

    if (rest > 0) {
        size_t size = rest > BLOCK_BYTES ? rest : BLOCK_BYTES;
        block = malloc(sizeof *block + size);
        if (!block)
            return false;
        *block = (struct backlog_block){.size = size};
    }
    if (here > 0)
        append(last, bytes, here);
    if (block) {
        append(block, bytes + here, rest);
        TAILQ_INSERT_TAIL(&backlog->blocks, block, next);
    }
    backlog->bytes += length;
    return true;
}

size_t backlog_first(const struct backlog *backlog, const uint8_t **bytes)
{
    const struct backlog_block *block = TAILQ_FIRST(&backlog->blocks);

    if (!block)
        return 0;
    *bytes = block->bytes + block->start;
    return block->end - block->start;
}

void backlog_pass(struct backlog *backlog, size_t bytes)
{
    struct backlog_block *block = TAILQ_FIRST(&backlog->blocks);

    block->start += bytes;
    backlog->bytes -= bytes;
    if (block->start < block->end)
        return;
    TAILQ_REMOVE(&backlog->blocks, block, next);
    free(block);
}
