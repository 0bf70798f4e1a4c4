/* The way of an operator: over SSH, from anywhere, to public and private grants. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "tunnelctl/access.h"
#include "tunnelctl/probe.h"
#include "tunnelctl/probe_text.h"

static bool reach_hub(struct probe *probe, const struct access *access, struct ssh_client **client)
{
    struct fault fault;
    char peer[HOST_PORT_SIZE];
    if (access_dial(access, client, peer, &fault) != DONE)
        return probe_fail(probe, "see that tunneld runs there, and that no firewall is in between",
                          "%s", fault.text);
    probe_pass(probe, "reached at %s", peer);
    return true;
}

static bool meet_hub(struct probe *probe, const struct access *access, struct ssh_client *client)
{
    struct fault fault;
    struct public_key host_key;
    char print[FINGERPRINT_SIZE];
    if (access_meet(access, client, &host_key, &fault) != DONE)
        return probe_fail(probe, NULL, "%s", fault.text);
    probe_pass(probe, "%s is in known_hosts", public_key_fingerprint(&host_key, print));
    return true;
}

static bool log_in(struct probe *probe, const struct access *access, struct ssh_client *client)
{
    struct fault fault;
    char print[FINGERPRINT_SIZE];
    if (access_login(access, client, print, &fault) != DONE)
        return probe_fail(probe, NULL, "%s", fault.text);
    probe_pass(probe, "as %s with %s", access->user, print);
    return true;
}

/* The sentence names site and port already. */
static const char *skip_name(const struct probe *probe, const char *reason)
{
    char name[NAME_SIZE + 16];
    size_t length = (size_t)snprintf(name, sizeof(name), "%s:%u: ", probe->site, probe->port);
    return strncmp(reason, name, length) == 0 ? reason + length : reason;
}

/* One answer of the hub says both whether there is such a forward and whether its target answers.
 */
static bool open_channel(struct probe *probe, struct ssh_client *client)
{
    struct fault fault = {.text = ""};
    enum outcome outcome =
        ssh_client_open(client, ACCESS_OPEN_MS, probe->site, probe->port, &fault);
    struct refusal refusal = refusal_read(fault.text);
    refusal.reason = skip_name(probe, refusal.reason);
    if (outcome == UNREACHABLE)
        return probe_fail(probe, NULL, "%s", fault.text);
    if (outcome != DONE && !refusal.of_the_site)
        return probe_fail(probe, refusal.advice, "%s", refusal.reason);
    probe_pass_with_next(probe, "%s:%u is published", probe->site, probe->port);
    if (outcome != DONE)
        return probe_fail(probe, refusal.advice, "%s", refusal.reason);
    probe_pass(probe, "connected");
    return true;
}

static void hear_target(struct probe *probe, struct ssh_client *client, struct first_bytes *first)
{
    bool ended = false;
    enum outcome outcome =
        ssh_client_say(client, probe->wait_ms, probe->send, probe->send_length, &first->fault);
    if (outcome == DONE)
        outcome = ssh_client_hear(client, probe->wait_ms, first->bytes, sizeof(first->bytes),
                                  &first->length, &ended, &first->fault);
    if (outcome != DONE)
        first->what = FIRST_LOST;
    else if (first->length > 0)
        first->what = FIRST_BYTES;
    else
        first->what = ended ? FIRST_END : FIRST_SILENCE;
}

static void go(struct probe *probe, const struct access *access, struct ssh_client **client)
{
    struct first_bytes first = {.length = 0};
    if (!reach_hub(probe, access, client) || !meet_hub(probe, access, *client) ||
        !log_in(probe, access, *client) || !open_channel(probe, *client))
        return;
    hear_target(probe, *client, &first);
    (void)probe_first_bytes(probe, &first);
}

enum outcome probe_as_operator(struct probe *probe, struct fault *fault)
{
    struct access access;
    struct ssh_client *client = NULL;
    enum outcome outcome = access_read(probe->invocation, &access, fault);
    if (outcome == DONE)
        go(probe, &access, &client);
    ssh_client_free(client);
    access_release(&access);
    return outcome;
}
