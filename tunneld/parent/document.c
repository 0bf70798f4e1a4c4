/*
 * The document of `export`, and reading its parts.  One form for both ways: what is read is
 * written again in the same words, so that two documents can be compared as JSON.
 */
#define _GNU_SOURCE
#include "parent/document.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "parent/forwards.h"
#include "parent/grants_admin.h"
#include "parent/operators.h"
#include "parent/outbound.h"
#include "parent/policy_json.h"
#include "parent/sites.h"

static void set_port_key(json_t *ports, uint16_t port, json_t *value)
{
    char key[8];
    (void)snprintf(key, sizeof key, "%u", (unsigned)port);
    (void)json_object_set_new(ports, key, value);
}

json_t *document_grant(const struct hub *hub, const struct grant *grant)
{
    char usual[LISTEN_ADDRESS_SIZE];
    json_t *json = json_pack("{s:s}", "target", grant->target);
    if (!grant->policy.private &&
        (listen_address_canonical(hub->settings.forward_address, usual, NULL) != 0 ||
         strcmp(grant->address, usual) != 0))
        (void)json_object_set_new(json, "address", json_string(grant->address));
    if (!grant->enabled)
        (void)json_object_set_new(json, "enabled", json_false());
    json_t *policy = policy_to_json(&grant->policy);
    if (!json || !policy || json_object_update(json, policy) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(policy);
    return json;
}

json_t *document_outbound(const struct outbound_row *row)
{
    char listen[HOST_PORT_SIZE];
    return json_pack("{s:s}", "listen",
                     host_port_format(row->listen_address, row->listen_port, listen));
}

json_t *document_operator(const struct operator_row *row)
{
    char line[PUBLIC_KEY_LINE_SIZE], text[SCOPE_TEXT_SIZE], expires[CLOCK_TEXT_SIZE];
    json_t *scopes = json_array();
    public_key_line(&row->key, line);
    for (size_t i = 0; i < row->scopes.count; i++)
        (void)json_array_append_new(scopes, json_string(scope_format(&row->scopes.items[i], text)));
    json_t *json = json_pack("{s:s, s:o}", "key", line, "sites", scopes);
    if (row->expires_s != 0)
        (void)json_object_set_new(json, "expires",
                                  json_string(clock_format(row->expires_s, expires)));
    return json;
}

static json_t *list_outbounds(const struct site *site)
{
    json_t *list = json_object();
    const struct outbound *outbound;
    TAILQ_FOREACH(outbound, &site->outbounds, of_site)
    (void)json_object_set_new(list, outbound->target, document_outbound(&outbound->row));
    return list;
}

static void set_unless_empty(json_t *json, const char *name, json_t *items)
{
    if (json_object_size(items) > 0)
        (void)json_object_set(json, name, items);
    json_decref(items);
}

json_t *document_site(const struct site *site)
{
    json_t *json = json_object(), *ports = json_object();
    if (!site->row.enabled)
        (void)json_object_set_new(json, "enabled", json_false());
    for (size_t i = 0; i < site->forward_count; i++) {
        const struct grant *grant = site->forwards[i]->grant;
        set_port_key(ports, grant->port, document_grant(site->hub, grant));
    }
    set_unless_empty(json, "ports", ports);
    set_unless_empty(json, "outbound", list_outbounds(site));
    return json;
}

json_t *document_of(const struct hub *hub)
{
    json_t *sites = json_object();
    const struct site *site;
    TAILQ_FOREACH(site, &hub->sites, entry)
    (void)json_object_set_new(sites, site->row.name, document_site(site));
    json_t *json = json_pack("{s:i, s:o}", "version", DOCUMENT_VERSION, "sites", sites);
    json_t *operators = json_object();
    const struct hub_operator *person;
    TAILQ_FOREACH(person, &hub->operators, entry)
    (void)json_object_set_new(operators, person->row.name, document_operator(&person->row));
    set_unless_empty(json, "operators", operators);
    return json;
}

/* --- reading --- */

int document_read_port(const char *text, uint16_t *port, struct fault *fault)
{
    uint64_t number;
    if (!text_parse_number(text, 1, UINT16_MAX, &number))
        return fault_set(fault, "'%.32s' is no port: 1 to 65535", text);
    *port = (uint16_t)number;
    return 0;
}

static int read_text(const json_t *json, const char *name, char *out, size_t size,
                     struct fault *fault)
{
    const json_t *value = json_object_get(json, name);
    if (!value)
        return 0;
    if (json_is_string(value) && text_copy(out, size, json_string_value(value)))
        return 0;
    return fault_set(fault, "'%s' must be a text of less than %zu characters", name, size);
}

int document_read_enabled(const json_t *json, bool *enabled, struct fault *fault)
{
    if (json && !json_is_boolean(json))
        return fault_set(fault, "'enabled' must be true or false");
    *enabled = !json || json_is_true(json);
    return 0;
}

/* What the policy's reader is to know nothing of. */
static json_t *without_own_items(const json_t *json)
{
    json_t *rest = json_copy((json_t *)(uintptr_t)json);
    (void)json_object_del(rest, "target");
    (void)json_object_del(rest, "address");
    (void)json_object_del(rest, "enabled");
    return rest;
}

int document_read_grant(const struct hub *hub, const char *port, const json_t *json,
                        struct grant *out, struct fault *fault)
{
    struct grant grant = {.created_s = clock_wall_s()};
    if (document_read_port(port, &grant.port, fault) != 0)
        return -1;
    if (!json_is_object(json))
        return fault_set(fault, "must be a map with a 'target'");
    json_t *rest = without_own_items(json);
    int rc = policy_from_json(&grant.policy, rest, fault);
    json_decref(rest);
    if (rc != 0 || read_text(json, "target", grant.target, sizeof grant.target, fault) != 0 ||
        read_text(json, "address", grant.address, sizeof grant.address, fault) != 0 ||
        document_read_enabled(json_object_get(json, "enabled"), &grant.enabled, fault) != 0 ||
        grant_complete(hub, &grant, fault) != 0)
        return -1;
    *out = grant;
    return 0;
}

int document_read_outbound(const char *target, const json_t *json, struct outbound_row *out,
                           struct fault *fault)
{
    static const char *const known[] = {"listen", NULL};
    struct host_port listen;
    const char *text = json_string_value(json_object_get(json, "listen"));
    if (document_check_items(json, known, fault) != 0)
        return -1;
    if (!text)
        return fault_set(fault, "'listen' is missing: [ADDR:]PORT, where the agent listens");
    if (listen_port_parse(text, &listen, fault) != 0)
        return fault_prefix(fault, "listen");
    return outbound_read(target, listen.host, listen.port, out, fault);
}

static int read_expires(const json_t *json, int64_t *expires_s, struct fault *fault)
{
    if (!json || clock_parse(json_string_value(json) ? json_string_value(json) : "", expires_s))
        return 0;
    return fault_set(fault, "'expires' must be a time such as 2027-01-31T12:00:00Z");
}

static int read_scopes(const json_t *json, struct scopes *scopes, struct fault *fault)
{
    size_t index;
    json_t *item;
    json_array_foreach(json, index, item)
    {
        const char *text = json_string_value(item);
        if (!text || scopes_add(scopes, text, fault) != 0)
            return text ? -1 : fault_set(fault, "'sites' must be a list of GLOB[:PORT]");
    }
    if (scopes->count > 0)
        return 0;
    return fault_set(fault, "'sites' is missing: a list of GLOB[:PORT]");
}

int document_read_operator(const char *name, const json_t *json, struct operator_row *out,
                           struct fault *fault)
{
    static const char *const known[] = {"key", "sites", "expires", NULL};
    struct operator_row row = {.created_s = clock_wall_s()};
    const char *key = json_string_value(json_object_get(json, "key"));
    if (name_check(name, fault) != 0 || document_check_items(json, known, fault) != 0)
        return -1;
    if (!key)
        return fault_set(fault, "'key' is missing: a public key as in a .pub file");
    if (public_key_from_line(key, &row.key, fault) != 0)
        return fault_prefix(fault, "key");
    if (read_scopes(json_object_get(json, "sites"), &row.scopes, fault) != 0 ||
        read_expires(json_object_get(json, "expires"), &row.expires_s, fault) != 0)
        return -1;
    (void)text_copy(row.name, sizeof row.name, name);
    *out = row;
    return 0;
}

int document_check_items(const json_t *json, const char *const *known, struct fault *fault)
{
    const char *key;
    json_t *value;
    size_t count = 0;
    while (known[count])
        count++;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        size_t i = 0;
        while (i < count && strcmp(known[i], key) != 0)
            i++;
        if (i < count)
            continue;
        const char *nearest = text_nearest(key, known, count);
        return fault_set(fault, "there is no item '%.64s' here%s%s%s", key,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "",
                         nearest ? "'?" : "");
    }
    return 0;
}
