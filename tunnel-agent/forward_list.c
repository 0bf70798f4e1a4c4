/*
 * Difference between what the hub lists and what is published, one forward at a time.  No SSH and
 * no clock in here: requests and their answers are forwards.c's.
 */
#define _GNU_SOURCE
#include "forward_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/agent_settings.h"

#define REPORTS_PER_SECOND 10
#define ANSWER_LINE_MAX    (1u << 20) /* bytes of a line that the hub takes */

#define CONNECT_TIMEOUT_MAX_MS 3600000

void forward_list_release(struct forward_list *list)
{
    free(list->items);
    *list = (struct forward_list){0};
}

static int compare(const void *left, const void *right)
{
    const struct forward *a = left, *b = right;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return strcmp(a->address, b->address);
}

static bool is_wanted(const struct forward *forward)
{
    return forward->listed && forward->allowed;
}

/* --- snapshots -------------------------------------------------------------------------------- */

/* How long the target may take to answer, where the grant says so. */
static int read_timeout(const json_t *number, struct forward *out, struct fault *fault)
{
    if (number == NULL)
        return 0;
    if (!json_is_integer(number) || json_integer_value(number) < 1 ||
        json_integer_value(number) > CONNECT_TIMEOUT_MAX_MS)
        return fault_set(fault, "a connect_timeout_ms that is no number from 1 to %d",
                         CONNECT_TIMEOUT_MAX_MS);
    out->connect_timeout_ms = (uint64_t)json_integer_value(number);
    return 0;
}

static int read_entry(const json_t *entry, struct forward *out, struct fault *fault)
{
    const char *address = json_string_value(json_object_get(entry, "address"));
    const char *target = json_string_value(json_object_get(entry, "target"));
    json_int_t port = json_integer_value(json_object_get(entry, "port"));
    if (address == NULL || target == NULL || port < 1 || port > 65535)
        return fault_set(fault, "an entry without address, port or target");
    if (!text_copy(out->address, sizeof out->address, address))
        return fault_set(fault, "an address of %zu characters", strlen(address));
    out->port = (uint16_t)port;
    out->listed = true;
    out->unpublished = json_is_false(json_object_get(entry, "published"));
    if (read_timeout(json_object_get(entry, "connect_timeout_ms"), out, fault) != 0)
        return -1;
    return host_port_parse(target, false, &out->target, fault);
}

static int read_entries(const json_t *forwards, struct forward *items, struct fault *fault)
{
    size_t index;
    const json_t *entry;
    json_array_foreach(forwards, index, entry)
    {
        if (read_entry(entry, &items[index], fault) != 0)
            return fault_prefix(fault, "forward %zu of the hub's list", index + 1);
    }
    size_t count = json_array_size(forwards);
    qsort(items, count, sizeof *items, compare);
    for (size_t i = 1; i < count; i++) {
        if (compare(&items[i - 1], &items[i]) == 0)
            return fault_set(fault, "the hub's list has port %u of %s twice", items[i].port,
                             items[i].address);
    }
    return 0;
}

static void judge(struct forward *forward, const struct text_list *allow_targets)
{
    char target[HOST_PORT_SIZE];
    bool before = forward->allowed;
    forward->allowed = agent_target_allowed(allow_targets, &forward->target);
    if (!forward->allowed)
        snprintf(forward->reason, sizeof forward->reason, "target %s is not in allow_targets",
                 host_port_format(forward->target.host, forward->target.port, target));
    else if (!before)
        forward->reason[0] = '\0';
}

/* The newer entry goes on where the older one stands, unless the hub withdrew it meanwhile: between
 * two lists that were read, it may have been off the list and on it again. */
static void carry_over(struct forward *newer, const struct forward *older)
{
    bool unpublished = newer->unpublished;
    struct host_port target = newer->target;
    uint64_t connect_timeout_ms = newer->connect_timeout_ms;
    *newer = *older;
    newer->target = target;
    newer->connect_timeout_ms = connect_timeout_ms;
    newer->unpublished = unpublished;
    newer->listed = true;
}

static void find_lost(struct forward_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct forward *forward = &list->items[i];
        if (!forward->listed || !forward->unpublished || forward->state != FORWARD_PUBLISHED)
            continue;
        forward->state = FORWARD_ABSENT;
        list->lost++;
    }
}

/* Merges two sorted arrays into `merged`; of the old ones, only those still published stay. */
static size_t merge(const struct forward_list *list, struct forward *fresh, size_t fresh_count,
                    struct forward *merged)
{
    size_t count = 0, i = 0, j = 0;
    while (i < list->count || j < fresh_count) {
        int order = i == list->count   ? 1
                    : j == fresh_count ? -1
                                       : compare(&list->items[i], &fresh[j]);
        if (order == 0)
            carry_over(&fresh[j], &list->items[i]);
        if (order >= 0) {
            merged[count++] = fresh[j++];
        } else {
            merged[count] = list->items[i];
            merged[count++].listed = false;
        }
        if (order <= 0)
            i++;
    }
    return count;
}

static int read_header(const json_t *snapshot, uint64_t *generation, size_t *count,
                       struct fault *fault)
{
    const json_t *number = json_object_get(snapshot, "generation");
    const json_t *forwards = json_object_get(snapshot, "forwards");
    if (!json_is_integer(number) || json_integer_value(number) < 0 || !json_is_array(forwards))
        return fault_set(fault, "a snapshot without generation or forwards");
    if (json_array_size(forwards) > FORWARDS_MAX)
        return fault_set(fault, "the hub lists %zu forwards, at most %d are taken",
                         json_array_size(forwards), FORWARDS_MAX);
    *generation = (uint64_t)json_integer_value(number);
    *count = json_array_size(forwards);
    return 0;
}

int forward_list_apply(struct forward_list *list, const json_t *snapshot,
                       const struct text_list *allow_targets, struct fault *fault)
{
    uint64_t generation = 0;
    size_t count = 0;
    if (read_header(snapshot, &generation, &count, fault) != 0)
        return -1;
    struct forward *fresh = calloc(count + 1, sizeof *fresh);
    struct forward *merged = calloc(list->count + count + 1, sizeof *merged);
    if (fresh == NULL || merged == NULL) {
        fault_set(fault, "out of memory");
        goto failed;
    }
    if (read_entries(json_object_get(snapshot, "forwards"), fresh, fault) != 0)
        goto failed;
    count = merge(list, fresh, count, merged);
    free(fresh);
    free(list->items);
    list->items = merged;
    list->count = count;
    list->generation = generation;
    forward_list_judge(list, allow_targets);
    find_lost(list);
    forward_list_sweep(list);
    return 0;
failed:
    free(fresh);
    free(merged);
    return -1;
}

void forward_list_judge(struct forward_list *list, const struct text_list *allow_targets)
{
    for (size_t i = 0; i < list->count; i++)
        judge(&list->items[i], allow_targets);
}

void forward_list_offline(struct forward_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct forward *forward = &list->items[i];
        forward->state = FORWARD_ABSENT;
        if (forward->allowed)
            forward->reason[0] = '\0';
    }
    forward_list_sweep(list);
}

/* --- what to do ------------------------------------------------------------------------------- */

/* Cancels go first: a port that moved is free before it is asked for again. */
enum forward_work forward_list_next(struct forward_list *list, uint64_t now_ms,
                                    struct forward **forward)
{
    struct forward *publish = NULL;
    for (size_t i = 0; i < list->count; i++) {
        struct forward *item = &list->items[i];
        bool wanted = is_wanted(item);
        if (!wanted && item->state == FORWARD_PUBLISHED) {
            *forward = item;
            return FORWARD_CANCEL;
        }
        bool due = item->state == FORWARD_ABSENT ||
                   (item->state == FORWARD_REFUSED &&
                    (item->retry_at_ms <= now_ms || item->asked_generation != list->generation));
        if (wanted && due && publish == NULL)
            publish = item;
    }
    if (publish == NULL)
        return FORWARD_NOTHING;
    *forward = publish;
    return FORWARD_PUBLISH;
}

void forward_list_asked(const struct forward_list *list, struct forward *forward)
{
    forward->state = FORWARD_PUBLISHING;
    forward->asked_generation = list->generation;
    forward->unpublished = false;
}

bool forward_granted(struct forward *forward)
{
    forward->state = forward->unpublished ? FORWARD_ABSENT : FORWARD_PUBLISHED;
    forward->reason[0] = '\0';
    return forward->state == FORWARD_PUBLISHED;
}

void forward_refused(struct forward *forward, uint64_t retry_at_ms)
{
    forward->state = FORWARD_REFUSED;
    forward->retry_at_ms = retry_at_ms;
    snprintf(forward->reason, sizeof forward->reason, "refused by the hub");
}

uint64_t forward_list_retry_ms(const struct forward_list *list)
{
    uint64_t soonest = UINT64_MAX;
    for (size_t i = 0; i < list->count; i++) {
        const struct forward *item = &list->items[i];
        if (is_wanted(item) && item->state == FORWARD_REFUSED && item->retry_at_ms < soonest)
            soonest = item->retry_at_ms;
    }
    return soonest;
}

void forward_list_tally(const struct forward_list *list, struct forward_tally *out)
{
    *out = (struct forward_tally){.answers = out->answers, .lost = list->lost};
    for (size_t i = 0; i < list->count; i++) {
        const struct forward *item = &list->items[i];
        bool published = item->state == FORWARD_PUBLISHED || item->state == FORWARD_CANCELLING;
        if (!is_wanted(item)) {
            out->leaving += published;
            continue;
        }
        out->wanted++;
        out->published += item->state == FORWARD_PUBLISHED;
        out->refused += item->state == FORWARD_REFUSED;
    }
}

void forward_list_ask_again(struct forward_list *list, bool request_under_way)
{
    for (size_t i = 0; i < list->count; i++) {
        struct forward *item = &list->items[i];
        if (item->state == FORWARD_REFUSED)
            item->retry_at_ms = 0;
        else if (item->state == FORWARD_PUBLISHING && !request_under_way)
            item->state = FORWARD_ABSENT;
        else if (item->state == FORWARD_CANCELLING && !request_under_way)
            item->state = FORWARD_PUBLISHED;
    }
}

void forward_list_sweep(struct forward_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct forward *item = &list->items[i];
        if (!item->listed && (item->state == FORWARD_ABSENT || item->state == FORWARD_REFUSED))
            continue;
        if (kept != i)
            list->items[kept] = *item;
        kept++;
    }
    list->count = kept;
}

struct forward *forward_list_find(struct forward_list *list, const char *address, uint16_t port)
{
    struct forward *with_port = NULL;
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct forward *item = &list->items[i];
        if (item->port != port)
            continue;
        if (strcmp(item->address, address) == 0)
            return item;
        with_port = item;
        count++;
    }
    return count == 1 ? with_port : NULL;
}

/* --- what to say ------------------------------------------------------------------------------ */

static json_t *answer(const struct forward_list *list, bool brief)
{
    json_t *refused = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct forward *item = &list->items[i];
        if (!item->listed || item->allowed)
            continue;
        json_array_append_new(refused, json_pack("{s:i, s:s}", "port", (int)item->port, "reason",
                                                 brief ? "not in allow_targets" : item->reason));
    }
    return json_pack("{s:I, s:o}", "generation", (json_int_t)list->generation, "refused", refused);
}

json_t *forward_list_answer(const struct forward_list *list)
{
    json_t *full = answer(list, false);
    if (full == NULL || json_dumpb(full, NULL, 0, JSON_COMPACT) + 1 < ANSWER_LINE_MAX)
        return full;
    json_decref(full);
    return answer(list, true);
}

bool forward_may_report(struct forward *forward, uint64_t now_ms)
{
    if (forward->report_second != now_ms / 1000) {
        forward->report_second = now_ms / 1000;
        forward->reports = 0;
    }
    return forward->reports++ < REPORTS_PER_SECOND;
}

const char *forward_state_name(const struct forward *forward)
{
    if (!forward->allowed || forward->state == FORWARD_REFUSED)
        return "refused";
    return forward->state == FORWARD_PUBLISHED ? "published" : "publishing";
}
