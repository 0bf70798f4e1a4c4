/* Control verbs about operators. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "parent/operators.h"
#include "parent/rows.h"
#include "parent/verbs.h"

#define EXPIRES_MAX_S (100LL * 365 * 24 * 3600)

static int read_scopes(const json_t *args, struct scopes *out, struct fault *fault)
{
    const json_t *list = json_object_get(args, "sites"), *item;
    struct scopes scopes = {.count = 0};
    size_t index;
    json_array_foreach(list, index, item)
    {
        if (scopes_add(&scopes, json_string_value(item), fault) != 0)
            return -1;
    }
    *out = scopes;
    return 0;
}

static bool is_given(const json_t *args, const char *name)
{
    const json_t *value = json_object_get(args, name);
    return value && !json_is_null(value);
}

/* What the arguments name; all else stays. */
static int read_row(const json_t *args, struct operator_row *row, struct fault *fault)
{
    int64_t expires_s = arg_number(args, "expires_s");
    if (is_given(args, "key") && public_key_from_line(arg_text(args, "key"), &row->key, fault) != 0)
        return fault_prefix(fault, "key");
    if (is_given(args, "sites") && read_scopes(args, &row->scopes, fault) != 0)
        return -1;
    if (expires_s < 0 || expires_s > EXPIRES_MAX_S)
        return fault_set(fault, "an operator expires in up to 100 years, or never (0)");
    if (is_given(args, "expires_s"))
        row->expires_s = expires_s != 0 ? clock_wall_s() + expires_s : 0;
    return 0;
}

static void reply_operator(struct hub *hub, struct control_request *request,
                           const struct hub_operator *person)
{
    char scopes[SCOPES_TEXT_MAX];
    verb_done(hub, request, NULL, "%s: key %s, sites %s", person->row.name, person->fingerprint,
              scopes_format(&person->row.scopes, scopes));
    control_reply(request, row_operator(person));
}

void verb_operator_add(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct operator_row row = {.created_s = clock_wall_s()};
    struct hub_operator *person;
    const char *name = arg_text(args, "name");
    if (name_check(name, &fault) != 0 || read_row(args, &row, &fault) != 0 ||
        !text_copy(row.name, sizeof row.name, name) ||
        operator_add(hub, &row, &person, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    reply_operator(hub, request, person);
}

/* The operator that is meant, or NULL and a refusal that was sent. */
static struct hub_operator *arg_operator(struct hub *hub, struct control_request *request,
                                         const json_t *args)
{
    const char *name = arg_text(args, "name");
    struct hub_operator *person = operator_find(hub, name);
    if (!person)
        control_refuse(request, "there is no operator '%.64s'; see 'tunnelctl operator list'",
                       name);
    return person;
}

void verb_operator_set(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct hub_operator *person = arg_operator(hub, request, args);
    if (!person)
        return;
    if (!is_given(args, "key") && !is_given(args, "sites") && !is_given(args, "expires_s")) {
        control_refuse(request, "nothing to change: give --sites, --key or --expires");
        return;
    }
    struct operator_row row = person->row;
    if (read_row(args, &row, &fault) != 0 || operator_set(person, &row, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    reply_operator(hub, request, person);
}

void verb_operator_remove(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    char name[NAME_SIZE];
    struct hub_operator *person = arg_operator(hub, request, args);
    if (!person)
        return;
    (void)text_copy(name, sizeof name, person->row.name);
    if (operator_remove(person, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    verb_done(hub, request, NULL, "%s", name);
    control_reply(request, json_pack("{s:s}", "name", name));
}

void verb_operator_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    (void)args;
    json_t *list = json_array();
    const struct hub_operator *person;
    TAILQ_FOREACH(person, &hub->operators, entry)
    (void)json_array_append_new(list, row_operator(person));
    control_reply(request, list);
}
