/*
 * Control verbs that change grants.  Which rules a grant must obey is known in grants_admin.c.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "parent/grants_admin.h"
#include "parent/policy_json.h"
#include "parent/sites.h"
#include "parent/verbs.h"

static int check_port(int64_t port, struct fault *fault)
{
    if (port >= 1 && port <= UINT16_MAX)
        return 0;
    return fault_set(fault, "port %lld is out of range: 1 to 65535", (long long)port);
}

static int read_text(const json_t *args, const char *name, char *out, size_t size,
                     struct fault *fault)
{
    const char *text = json_string_value(json_object_get(args, name));
    if (!text || text_copy(out, size, text))
        return 0;
    return fault_set(fault, "%s of %zu characters is too long", name, strlen(text));
}

/* An end in the past is a mistake of whoever types it; one that has passed is none. */
static int read_policy(const json_t *args, struct policy *policy, struct fault *fault)
{
    const json_t *items = json_object_get(args, "policy");
    if (!items || json_is_null(items))
        return 0;
    if (policy_from_json(policy, items, fault) != 0)
        return -1;
    const char *expires = json_string_value(json_object_get(items, "expires"));
    if (expires && policy->expires_s <= clock_wall_s())
        return fault_set(fault, "expires: %s has passed already; to close the port, disable it",
                         expires);
    return 0;
}

/* What the arguments name; all else stays. */
static int read_grant(const struct hub *hub, const json_t *args, struct grant *grant,
                      struct fault *fault)
{
    bool was_private = grant->policy.private;
    if (read_policy(args, &grant->policy, fault) != 0)
        return -1;
    if (grant->policy.private && !was_private)
        grant->address[0] = '\0';
    if (read_text(args, "address", grant->address, sizeof grant->address, fault) != 0 ||
        read_text(args, "target", grant->target, sizeof grant->target, fault) != 0)
        return -1;
    return grant_complete(hub, grant, fault);
}

static json_t *answer(const char *site, const char *listen, const char *target)
{
    return json_pack("{s:s, s:s, s:s}", "site", site, "listen", listen, "target", target);
}

static void reply_grant(struct hub *hub, struct control_request *request,
                        const struct forward *forward)
{
    json_t *policy = policy_to_json(&forward->grant->policy);
    char *text = json_object_size(policy) > 0 ? json_dumps(policy, JSON_COMPACT) : NULL;
    verb_done(hub, request, forward->site->row.name, "%s -> %s%s%s", forward->listen,
              forward->grant->target, text ? " " : "", text ? text : "");
    free(text);
    json_decref(policy);
    control_reply(request,
                  answer(forward->site->row.name, forward->listen, forward->grant->target));
}

void verb_port_allow(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    int64_t port = arg_number(args, "port");
    struct grant grant = {.port = (uint16_t)port, .enabled = true, .created_s = clock_wall_s()};
    struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return;
    if (check_port(port, &fault) != 0 || read_grant(hub, args, &grant, &fault) != 0 ||
        grant_add(site, &grant, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    reply_grant(hub, request, site_forward(site, grant.port));
}

struct forward *arg_forward(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    const struct site *site = arg_site(hub, request, args, "site");
    if (!site)
        return NULL;
    int64_t port = arg_number(args, "port");
    struct forward *forward = port > 0 ? site_forward(site, (uint64_t)port) : NULL;
    if (!forward && check_port(port, &fault) == 0)
        (void)fault_set(&fault, "port %lld is not granted to site %s", (long long)port,
                        site->row.name);
    if (!forward)
        control_refuse(request, "%s", fault.text);
    return forward;
}

static void change_grant(struct hub *hub, struct control_request *request, struct forward *forward,
                         const struct grant *grant)
{
    struct fault fault = {""};
    if (grant_set(forward, grant, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    reply_grant(hub, request, forward);
}

static bool names_anything(const json_t *args)
{
    return json_is_string(json_object_get(args, "target")) ||
           json_is_string(json_object_get(args, "address")) ||
           json_object_size(json_object_get(args, "policy")) > 0;
}

void verb_port_set(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    struct grant grant = {0};
    grant_copy(&grant, forward->grant);
    if (!names_anything(args))
        control_refuse(request,
                       "nothing is named to change: name the target, the address or an item "
                       "of the policy");
    else if (read_grant(hub, args, &grant, &fault) != 0)
        control_refuse(request, "%s", fault.text);
    else
        change_grant(hub, request, forward, &grant);
}

static void set_enabled(struct hub *hub, struct control_request *request, const json_t *args,
                        bool enabled)
{
    struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    struct grant grant = {0};
    grant_copy(&grant, forward->grant);
    grant.enabled = enabled;
    change_grant(hub, request, forward, &grant);
}

void verb_port_enable(struct hub *hub, struct control_request *request, const json_t *args)
{
    set_enabled(hub, request, args, true);
}

void verb_port_disable(struct hub *hub, struct control_request *request, const json_t *args)
{
    set_enabled(hub, request, args, false);
}

void verb_port_remove(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct forward *forward = arg_forward(hub, request, args);
    if (!forward)
        return;
    const char *site = forward->site->row.name;
    struct grant grant = {0};
    grant_copy(&grant, forward->grant);
    char listen[ENDPOINT_SIZE];
    (void)text_copy(listen, sizeof listen, forward->listen);
    if (grant_remove(forward, &fault) != 0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    verb_done(hub, request, site, "%s -> %s", listen, grant.target);
    control_reply(request, answer(site, listen, grant.target));
}
