/*
 * Outbound grants: which there are, what they may be, what a site's agent says of them.  Opening
 * what they grant is outbound_open.c's; which addresses a name may mean is the dialer's.
 */
#define _GNU_SOURCE
#include "parent/outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "parent/connections.h"
#include "parent/outbound_open.h"
#include "parent/peer_text.h"
#include "parent/sessions.h"
#include "parent/sites.h"

#define LISTEN_ADDRESS "127.0.0.1"

/* --- what may be granted --- */

/* Names in lower case, so that one grant has one spelling. */
static int read_target(const char *text, struct outbound_row *row, struct fault *fault)
{
    struct host_port target;
    if (host_port_parse(text, false, &target, fault) != 0)
        return fault_prefix(fault, "what the hub dials");
    for (char *c = target.host; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    (void)text_copy(row->host, sizeof row->host, target.host);
    row->port = target.port;
    return 0;
}

int outbound_read(const char *target, const char *listen_address, int64_t listen_port,
                  struct outbound_row *row, struct fault *fault)
{
    if (read_target(target, row, fault) != 0)
        return -1;
    if (listen_port < 1 || listen_port > UINT16_MAX)
        return fault_set(fault, "port %lld, where the agent listens, is out of range: 1 to 65535",
                         (long long)listen_port);
    if (listen_address_canonical(listen_address[0] != '\0' ? listen_address : LISTEN_ADDRESS,
                                 row->listen_address, fault) != 0)
        return -1;
    row->listen_port = (uint16_t)listen_port;
    row->created_s = clock_wall_s();
    return 0;
}

struct outbound *outbound_find(const struct site *site, const char *host, uint64_t port)
{
    struct outbound *outbound;
    TAILQ_FOREACH(outbound, &site->outbounds, of_site)
    {
        if (outbound->row.port == port && host_same(outbound->row.host, host))
            return outbound;
    }
    return NULL;
}

static const struct outbound *find_listener(const struct site *site, const struct outbound_row *row)
{
    const struct outbound *other;
    TAILQ_FOREACH(other, &site->outbounds, of_site)
    {
        if (other->row.listen_port == row->listen_port &&
            listen_addresses_overlap(other->row.listen_address, row->listen_address))
            return other;
    }
    return NULL;
}

int outbound_check(const struct site *site, const struct outbound_row *row, struct fault *fault)
{
    const char *name = site->row.name;
    const struct outbound *other = outbound_find(site, row->host, row->port);
    if (other)
        return fault_set(fault,
                         "site %s may reach %s already (it listens on %s): remove that grant first",
                         name, other->target, other->listen);
    other = find_listener(site, row);
    if (other)
        return fault_set(fault, "site %s listens on %s for %s already: choose another port", name,
                         other->listen, other->target);
    if (site->outbound_count >= OUTBOUND_PER_SITE_MAX)
        return fault_set(fault, "site %s has %d outbound grants, as many as a site may have", name,
                         OUTBOUND_PER_SITE_MAX);
    return 0;
}

/* --- in memory --- */

static int compare(const struct outbound *a, const struct outbound *b)
{
    int order = strcmp(a->row.host, b->row.host);
    return order != 0 ? order : (a->row.port > b->row.port) - (a->row.port < b->row.port);
}

struct outbound *outbound_new(struct site *site, const struct outbound_row *row)
{
    struct outbound *outbound = calloc(1, sizeof *outbound);
    if (!outbound)
        return NULL;
    char listen[HOST_PORT_SIZE];
    outbound->site = site;
    outbound->row = *row;
    host_port_format(row->host, row->port, outbound->target);
    (void)text_copy(outbound->listen, sizeof outbound->listen,
                    host_port_format(row->listen_address, row->listen_port, listen));
    TAILQ_INIT(&outbound->dials);
    TAILQ_INIT(&outbound->connections);
    struct outbound *before = TAILQ_LAST(&site->outbounds, outbound_list);
    while (before && compare(before, outbound) > 0)
        before = TAILQ_PREV(before, outbound_list, of_site);
    if (before)
        TAILQ_INSERT_AFTER(&site->outbounds, before, outbound, of_site);
    else
        TAILQ_INSERT_HEAD(&site->outbounds, outbound, of_site);
    site->outbound_count++;
    return outbound;
}

void outbound_free(struct outbound *outbound, const char *reason)
{
    outbound_refuse_dials(outbound, NULL, reason);
    connections_cut_outbound(outbound, reason);
    TAILQ_REMOVE(&outbound->site->outbounds, outbound, of_site);
    outbound->site->outbound_count--;
    free(outbound);
}

int outbound_add(struct site *site, struct outbound_row *row, struct outbound **out,
                 struct fault *fault)
{
    struct store *store = site->hub->store;
    if (outbound_check(site, row, fault) != 0 ||
        store_outbound_add(store, site->row.id, row, fault) != 0)
        return -1;
    *out = outbound_new(site, row);
    if (*out) {
        site_forwards_changed(site);
        return 0;
    }
    if (store_outbound_remove(store, row->id, fault) != 0)
        return -1;
    return fault_set(fault, "out of memory: the way out was not granted");
}

int outbound_remove(struct outbound *outbound, struct fault *fault)
{
    struct site *site = outbound->site;
    if (store_outbound_remove(site->hub->store, outbound->row.id, fault) != 0)
        return -1;
    outbound_free(outbound, "outbound grant removed");
    site_forwards_changed(site);
    return 0;
}

/* --- at the site --- */

/* The session whose agent has answered; it may have ended since. */
static bool has_follower(const struct site *site)
{
    const struct session *session = registry_find(&site->hub->sessions, site->outbound_follower);
    return session && session->state == SESSION_UP;
}

enum outbound_state outbound_state(const struct outbound *outbound)
{
    if (!outbound->site->row.enabled)
        return OUTBOUND_DISABLED;
    if (!outbound->answered || !has_follower(outbound->site))
        return OUTBOUND_OFFLINE;
    return outbound->refusal[0] != '\0' ? OUTBOUND_REFUSED : OUTBOUND_LISTENING;
}

const char *outbound_state_name(enum outbound_state state)
{
    static const char *const names[] = {
        [OUTBOUND_LISTENING] = "listening",
        [OUTBOUND_REFUSED] = "refused",
        [OUTBOUND_OFFLINE] = "offline",
        [OUTBOUND_DISABLED] = "disabled",
    };
    return names[state];
}

const char *outbound_reason(const struct outbound *outbound)
{
    switch (outbound_state(outbound)) {
    case OUTBOUND_REFUSED:
        return outbound->refusal;
    case OUTBOUND_DISABLED:
        return "site disabled";
    case OUTBOUND_OFFLINE:
        return site_main_session(outbound->site) ? "the site's client does not listen for it" : "";
    default:
        return "";
    }
}

static void refuse_by_agent(struct session *session, struct outbound *outbound, const char *text)
{
    char said[REASON_SIZE * 2];
    peer_text(outbound->refusal, sizeof outbound->refusal, text);
    if (strcmp(outbound->said, outbound->refusal) == 0)
        return;
    (void)text_copy(outbound->said, sizeof outbound->said, outbound->refusal);
    (void)snprintf(said, sizeof said, "outbound %s: %s", outbound->listen, outbound->refusal);
    site_refused(session->site, session->peer, said);
}

/* An answer is one report without a port, then one for each that is refused. */
void outbound_on_report(struct session *session, const struct message *message)
{
    struct site *site = session->site;
    struct outbound *outbound;
    if (message->generation != site->generation)
        return;
    if (message->port == 0)
        site->outbound_follower = session->id;
    TAILQ_FOREACH(outbound, &site->outbounds, of_site)
    {
        if (message->port == 0) {
            outbound->answered = true;
            outbound->refusal[0] = '\0';
        } else if (outbound->row.listen_port == message->port &&
                   host_same(outbound->row.listen_address, message->address)) {
            refuse_by_agent(session, outbound, message->text);
        }
    }
}
