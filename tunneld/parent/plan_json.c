/* A plan for people and scripts: a row for each step, with what changes in words. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/plan.h"

static const char *const actions[] = {
    [PLAN_REMOVE] = "remove", [PLAN_ADD] = "add", [PLAN_CHANGE] = "change"};
static const char *const kinds[] = {[PLAN_SITE] = "site",
                                    [PLAN_PORT] = "port",
                                    [PLAN_OUTBOUND] = "outbound",
                                    [PLAN_OPERATOR] = "operator"};

static void write_value(FILE *out, const json_t *value)
{
    char *text = NULL;
    size_t index;
    json_t *item;
    if (!value) {
        (void)fputs("none", out);
    } else if (json_is_string(value)) {
        (void)fputs(json_string_value(value), out);
    } else if (json_is_array(value)) {
        json_array_foreach(value, index, item)
        {
            (void)fputs(index > 0 ? ", " : "", out);
            write_value(out, item);
        }
    } else if ((text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT))) {
        (void)fputs(text, out);
    }
    free(text);
}

/* "target: a -> b", for each item of `all` that differs. */
static void write_changes(FILE *out, const json_t *all, const json_t *before, const json_t *after,
                          bool only_gone)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)all, key, value)
    {
        const json_t *old = json_object_get(before, key), *new = json_object_get(after, key);
        if (only_gone ? new != NULL : json_equal(old, new))
            continue;
        (void)fprintf(out, "%s%s: ", ftell(out) > 0 ? "; " : "", key);
        write_value(out, old);
        (void)fputs(" -> ", out);
        write_value(out, new);
    }
}

static void write_items(FILE *out, const json_t *items)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)items, key, value)
    {
        if (json_is_object(value))
            continue;
        (void)fprintf(out, "%s%s: ", ftell(out) > 0 ? "; " : "", key);
        write_value(out, value);
    }
}

void plan_detail(const struct plan_step *step, char text[PLAN_DETAIL_SIZE])
{
    FILE *out = fmemopen(text, PLAN_DETAIL_SIZE, "w");
    text[0] = '\0';
    if (!out)
        return;
    if (step->action == PLAN_CHANGE) {
        write_changes(out, step->after, step->before, step->after, false);
        write_changes(out, step->before, step->before, step->after, true);
    } else {
        write_items(out, step->action == PLAN_ADD ? step->after : step->before);
    }
    (void)fclose(out);
    text[PLAN_DETAIL_SIZE - 1] = '\0';
}

json_t *plan_json(const struct plan *plan)
{
    char detail[PLAN_DETAIL_SIZE];
    json_t *list = json_array();
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->steps[i];
        plan_detail(step, detail);
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "action",
                                                    actions[step->action], "kind",
                                                    kinds[step->kind], "owner", step->owner, "name",
                                                    step->name, "detail", detail));
    }
    return list;
}
