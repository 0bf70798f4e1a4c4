/*
 * Control verbs about keyfiles.  The token's secret exists here for the time of one answer; the
 * store gets its digest.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "config/agent_settings.h"
#include "keys/keyfile.h"
#include "parent/enrolment.h"
#include "parent/rows.h"
#include "parent/verbs.h"

/* What a keyfile is being made of. */
struct issue {
    struct hub *hub;
    const struct site *site;
    const json_t *args;
    struct keyfile keyfile; /* owned; holds the token */
    struct keyfile_row row;
};

static int add_text(struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return 0;
    }
    char **grown = reallocarray(list->items, list->count + 1, sizeof *grown);
    if (!grown)
        return -1;
    list->items = grown;
    grown[list->count] = strdup(text);
    return grown[list->count] ? (list->count++, 0) : -1;
}

static int add_hub(struct host_port_list *list, const struct host_port *hub)
{
    struct host_port *grown = reallocarray(list->items, list->count + 1, sizeof *grown);
    if (!grown)
        return -1;
    list->items = grown;
    grown[list->count++] = *hub;
    return 0;
}

static int out_of_memory(struct fault *fault)
{
    return fault_set(fault, "out of memory: no keyfile was issued");
}

static int take_hubs(struct issue *issue, struct fault *fault)
{
    const json_t *hubs = json_object_get(issue->args, "hubs");
    const struct host_port_list *known = &issue->hub->settings.public_addresses;
    size_t index;
    const json_t *item;
    json_array_foreach(hubs, index, item)
    {
        struct host_port hub;
        if (host_port_parse(json_string_value(item), false, &hub, fault) != 0)
            return fault_prefix(fault, "hub");
        if (add_hub(&issue->keyfile.hub, &hub) != 0)
            return out_of_memory(fault);
    }
    for (size_t i = 0; json_array_size(hubs) == 0 && i < known->count; i++) {
        if (add_hub(&issue->keyfile.hub, &known->items[i]) != 0)
            return out_of_memory(fault);
    }
    if (issue->keyfile.hub.count == 0)
        return fault_set(fault, "say where sites reach this hub: --hub HOST:PORT, or set "
                                "public_addresses");
    return 0;
}

static int take_targets(struct issue *issue, struct fault *fault)
{
    struct text_list *targets = &issue->keyfile.allow_targets;
    for (size_t i = 0; i < issue->site->forward_count; i++) {
        const struct grant *grant = issue->site->forwards[i]->grant;
        if (grant->enabled && add_text(targets, grant->target) != 0)
            return out_of_memory(fault);
    }
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(issue->args, "allow_targets"), index, item)
    {
        const char *text = json_string_value(item);
        if (allow_target_check(text, fault) != 0)
            return fault_prefix(fault, "allow_targets");
        if (add_text(targets, text) != 0)
            return out_of_memory(fault);
    }
    return 0;
}

static int take_forwards(struct issue *issue, struct fault *fault)
{
    struct keyfile *keyfile = &issue->keyfile;
    keyfile->forwards = calloc(issue->site->forward_count + 1, sizeof *keyfile->forwards);
    if (!keyfile->forwards)
        return out_of_memory(fault);
    for (size_t i = 0; i < issue->site->forward_count; i++) {
        const struct grant *grant = issue->site->forwards[i]->grant;
        struct keyfile_forward *forward = &keyfile->forwards[keyfile->forward_count];
        if (!grant->enabled)
            continue;
        (void)text_copy(forward->listen.host, sizeof forward->listen.host, grant->address);
        forward->listen.port = grant->port;
        if (host_port_parse(grant->target, false, &forward->target, fault) != 0)
            return -1;
        keyfile->forward_count++;
    }
    return 0;
}

static int take_host_keys(struct issue *issue, struct fault *fault)
{
    for (int kind = 0; kind < HOST_KEY_KINDS; kind++) {
        char line[PUBLIC_KEY_LINE_SIZE];
        public_key_line(&issue->hub->keys.keys[kind], line);
        if (add_text(&issue->keyfile.host_keys, line) != 0)
            return out_of_memory(fault);
    }
    return 0;
}

static int take_terms(struct issue *issue, struct fault *fault)
{
    const json_t *expires = json_object_get(issue->args, "expires_s");
    int64_t lives_s = json_is_integer(expires) ? json_integer_value(expires) : KEYFILE_EXPIRES_S;
    const char *from = arg_text(issue->args, "from");
    struct cidr cidr;
    if (lives_s < KEYFILE_EXPIRES_MIN_S || lives_s > KEYFILE_EXPIRES_MAX_S)
        return fault_set(fault, "a keyfile may be good for 1 minute to 365 days, not for %lld s",
                         (long long)lives_s);
    if (from[0] != '\0' && cidr_parse(from, &cidr, fault) != 0)
        return fault_prefix(fault, "from");
    (void)text_copy(issue->row.from, sizeof issue->row.from, from);
    issue->row.site = issue->site->row.id;
    issue->row.replace = arg_flag(issue->args, "replace");
    issue->row.issued_s = clock_wall_s();
    issue->row.expires_s = issue->row.issued_s + lives_s;
    return 0;
}

static void on_key(void *owner, const struct key_row *row)
{
    bool *enrolled = owner;
    *enrolled = *enrolled || row->state == KEY_CURRENT;
}

static int check_replace(const struct issue *issue, struct fault *fault)
{
    bool enrolled = false;
    if (store_keys(issue->hub->store, issue->site->row.id, on_key, &enrolled, fault) != 0)
        return -1;
    if (!enrolled || issue->row.replace)
        return 0;
    return fault_set(fault,
                     "site %s is enrolled already: to give it a new key, say so with --replace "
                     "(the present key works until the new one is used)",
                     issue->site->row.name);
}

static void take_token(struct issue *issue)
{
    struct keyfile *keyfile = &issue->keyfile;
    token_new(&keyfile->token);
    token_digest(&keyfile->token, issue->row.digest);
    (void)text_copy(issue->row.id, sizeof issue->row.id, keyfile->token.id);
    (void)text_copy(keyfile->site, sizeof keyfile->site, issue->site->row.name);
    keyfile->issued_s = issue->row.issued_s;
    keyfile->expires_s = issue->row.expires_s;
}

/* The text, checked by the very reader that the site will use: its bounds hold here too. */
static char *write_keyfile(const struct issue *issue, struct fault *fault)
{
    struct keyfile copy;
    char *text = keyfile_format(&issue->keyfile);
    if (!text) {
        (void)out_of_memory(fault);
        return NULL;
    }
    if (keyfile_parse(text, strlen(text), "the keyfile", &copy, fault) == 0) {
        keyfile_release(&copy);
        return text;
    }
    secret_wipe(text, strlen(text));
    free(text);
    return NULL;
}

static char *issue_keyfile(struct issue *issue, struct fault *fault)
{
    if (take_terms(issue, fault) != 0 || check_replace(issue, fault) != 0 ||
        take_hubs(issue, fault) != 0 || take_host_keys(issue, fault) != 0 ||
        take_forwards(issue, fault) != 0 || take_targets(issue, fault) != 0)
        return NULL;
    take_token(issue);
    char *text = write_keyfile(issue, fault);
    if (text && store_keyfile_issue(issue->hub->store, &issue->row, fault) == 0)
        return text;
    if (text)
        secret_wipe(text, strlen(text));
    free(text);
    return NULL;
}

/* Jansson frees its copy of the text as it is. */
static void reply_keyfile(struct control_request *request, const struct keyfile_row *row,
                          const struct site *site, const char *text)
{
    json_t *copy = json_string(text);
    control_reply(request, json_pack("{s:s, s:s, s:o, s:o, s:O}", "id", row->id, "site",
                                     site->row.name, "issued", json_time(row->issued_s), "expires",
                                     json_time(row->expires_s), "keyfile", copy));
    if (copy)
        secret_wipe((void *)(uintptr_t)json_string_value(copy), json_string_length(copy));
    json_decref(copy);
}

void verb_keyfile_issue(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return;
    struct issue issue = {.hub = hub, .site = site, .args = args};
    char *text = issue_keyfile(&issue, &fault);
    keyfile_release(&issue.keyfile);
    if (!text) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    /* Keys that were bound by an older keyfile, and never used, are gone now. */
    site_close_revoked(site);
    verb_done(hub, request, site->row.name, "keyfile %s", issue.row.id);
    reply_keyfile(request, &issue.row, site, text);
    secret_wipe(text, strlen(text));
    free(text);
}

static void on_keyfile(void *owner, const struct keyfile_row *row)
{
    (void)json_array_append_new(owner, row_keyfile(row));
}

void verb_keyfile_list(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    const struct site *only;
    if (!arg_site_filter(hub, request, args, &only))
        return;
    json_t *list = json_array();
    if (store_keyfiles(hub->store, only ? only->row.id : 0, on_keyfile, list, &fault) == 0) {
        control_reply(request, list);
        return;
    }
    json_decref(list);
    control_refuse(request, "%s", fault.text);
}

/* Why this keyfile cannot be revoked, or NULL. */
static const char *reason_to_keep(const struct keyfile_row *row)
{
    if (row->state == KEYFILE_SPENT)
        return "was used: its key is the site's key now. To lock the site out: site disable";
    return row->state == KEYFILE_REVOKED ? "is revoked already" : NULL;
}

void verb_keyfile_revoke(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct keyfile_row row;
    const char *id = arg_text(args, "id");
    int found = store_keyfile_find(hub->store, id, &row, &fault);
    if (found == 0) {
        control_refuse(request, "there is no keyfile '%.32s'", id);
        return;
    }
    const char *reason = found == 1 ? reason_to_keep(&row) : NULL;
    if (reason) {
        control_refuse(request, "keyfile %s %s", row.id, reason);
        return;
    }
    if (found < 0 || store_keyfile_revoke(hub->store, id, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    struct site *site = site_find(hub, row.site_name);
    if (site)
        site_close_revoked(site);
    verb_done(hub, request, row.site_name, "keyfile %s", row.id);
    control_reply(request, json_pack("{s:s}", "id", row.id));
}
