/*
 * An agent's lines.  Three forms are agreed (docs/architecture.md); anything else is a fault, and
 * ends the session.
 */
#define _GNU_SOURCE
#include "worker/reports.h"

#include "base/address.h"
#include "worker/peer.h"
#include "worker/rotation.h"

#define REFUSED_MAX  4096 /* ports in one line */
#define OUTBOUND_MAX 64   /* listeners */

static int read_report(const json_t *object, struct message *message, struct fault *fault)
{
    const json_t *port = json_object_get(object, "port");
    const char *reason = json_string_value(json_object_get(object, "reason"));

    if (!json_is_integer(port) || json_integer_value(port) < 1 || json_integer_value(port) > 65535)
        return fault_set(fault, "a report without a port");
    if (!reason)
        return fault_set(fault, "a report without a reason");
    message->port = (uint64_t)json_integer_value(port);
    office_text(message->text, reason);
    return 0;
}

/* The answer to a generation: the ports that are refused, or none. */
static int on_answer(struct peer *peer, const json_t *generation, const json_t *refused,
                     struct fault *fault)
{
    struct message message;
    size_t i, count = json_array_size(refused);
    const json_t *entry;

    if (!json_is_integer(generation) || json_integer_value(generation) < 0)
        return fault_set(fault, "an answer without a generation");
    if (!json_is_array(refused) || count > REFUSED_MAX)
        return fault_set(fault,
                         "an answer without a list of refused ports, or with too long a one");
    message_init(&message, MESSAGE_REPORT);
    message.sid = peer->sid;
    message.generation = (uint64_t)json_integer_value(generation);
    if (count == 0)
        office_send(peer->office, &message);
    json_array_foreach(refused, i, entry)
    {
        if (read_report(entry, &message, fault) < 0)
            return -1;
        office_send(peer->office, &message);
    }
    return 0;
}

static int read_listener(const json_t *entry, struct message *message, struct fault *fault)
{
    const char *listen = json_string_value(json_object_get(entry, "listen"));
    const char *reason = json_string_value(json_object_get(entry, "reason"));
    struct host_port address;

    if (!listen || !reason || host_port_parse(listen, false, &address, fault) < 0)
        return fault_set(fault, "a refused listener without an address or a reason");
    office_text(message->address, address.host);
    message->port = address.port;
    office_text(message->text, reason);
    return 0;
}

/* Where the agent does not listen for outbound grants; an older agent says nothing of them. */
static int on_refused_outbound(struct peer *peer, const json_t *generation, const json_t *refused,
                               struct fault *fault)
{
    struct message message;
    size_t i;
    const json_t *entry;

    if (!refused)
        return 0;
    if (!json_is_array(refused) || json_array_size(refused) > OUTBOUND_MAX)
        return fault_set(fault, "no list of refused listeners, or too long a one");
    message_init(&message, MESSAGE_REPORT);
    message.sid = peer->sid;
    message.flags = MESSAGE_OUTBOUND;
    message.generation = (uint64_t)json_integer_value(generation);
    office_send(peer->office, &message);
    json_array_foreach(refused, i, entry)
    {
        if (read_listener(entry, &message, fault) < 0)
            return -1;
        office_send(peer->office, &message);
    }
    return 0;
}

static int on_listed(struct peer *peer, const json_t *line, struct fault *fault)
{
    const json_t *generation = json_object_get(line, "generation");

    if (on_answer(peer, generation, json_object_get(line, "refused"), fault) < 0)
        return -1;
    return on_refused_outbound(peer, generation, json_object_get(line, "refused_outbound"), fault);
}

int reports_on_line(struct peer *peer, const json_t *line, struct fault *fault)
{
    const json_t *failed = json_object_get(line, "failed");
    const json_t *new_key = json_object_get(line, "new_key");
    struct message message;

    if (new_key)
        return rotation_on_key(peer, new_key, fault);
    if (!failed)
        return on_listed(peer, line, fault);
    message_init(&message, MESSAGE_REPORT);
    message.sid = peer->sid;
    message.flags = MESSAGE_FAILED;
    if (read_report(failed, &message, fault) < 0)
        return -1;
    office_send(peer->office, &message);
    return 0;
}
