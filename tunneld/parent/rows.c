/* Rows of the control verbs' lists; field names are those of docs/architecture.md. */
#define _GNU_SOURCE
#include "parent/rows.h"

#include "base/clock.h"
#include "base/kept_text.h"
#include "parent/enrolment.h"
#include "parent/policy_json.h"
#include "parent/workers.h"

json_t *json_words(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

json_t *json_time(int64_t wall_s)
{
    char text[CLOCK_TEXT_SIZE];
    return wall_s != 0 ? json_string(clock_format(wall_s, text)) : json_null();
}

static json_int_t seconds_since(uint64_t since_ms)
{
    return (json_int_t)((clock_monotonic_ms() - since_ms) / 1000);
}

static const char *site_state(const struct site *site)
{
    if (!site->row.enabled)
        return "disabled";
    if (site->serving_count > 0)
        return "online";
    return site->row.last_seen_s != 0 ? "offline" : "never";
}

json_t *row_site(const struct site *site, const char *key)
{
    const struct session *session = site_main_session(site);
    json_int_t forwards = 0;
    for (size_t i = 0; i < site->forward_count; i++)
        forwards += site->forwards[i]->session != NULL;
    int64_t seen_s = site->serving_count > 0 ? clock_wall_s() : site->row.last_seen_s;
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:I, s:I}", "name",
                     site->row.name, "state", site_state(site), "enabled", (int)site->row.enabled,
                     "key", json_words(key), "session",
                     session ? json_integer((json_int_t)session->id) : json_null(), "forwards",
                     forwards, "grants", (json_int_t)site->forward_count, "last_seen",
                     json_time(seen_s), "last_reason", json_words(site->row.last_reason), "created",
                     json_time(site->row.created_s), "reconnects", (json_int_t)site->row.reconnects,
                     "takeovers", (json_int_t)site->figures.takeovers);
}

json_t *row_keyfile(const struct keyfile_row *keyfile)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", keyfile->id, "site",
                     keyfile->site_name, "state", keyfile_display_state(keyfile, clock_wall_s()),
                     "issued", json_time(keyfile->issued_s), "expires",
                     json_time(keyfile->expires_s), "from", json_words(keyfile->from), "key",
                     json_words(keyfile->used_key), "used", json_time(keyfile->used_s), "used_from",
                     json_words(keyfile->used_from));
}

/* Every reason, so that a script finds it before anybody was refused. */
static json_t *refused_by_reason(const struct forward *forward, uint64_t *total)
{
    json_t *object = json_object();
    *total = 0;
    for (size_t i = POLICY_ADMITS + 1; i < POLICY_VERDICT_END; i++) {
        *total += forward->refused[i];
        (void)json_object_set_new(object, policy_verdict_name((enum policy_verdict)i),
                                  json_integer((json_int_t)forward->refused[i]));
    }
    return object;
}

json_t *row_port(const struct forward *forward)
{
    const struct grant *grant = forward->grant;
    uint64_t refused_total;
    json_t *refused = refused_by_reason(forward, &refused_total);
    return json_pack(
        "{s:s, s:s, s:o, s:i, s:s, s:b, s:s, s:o, s:o, s:o, s:I, s:o}", "site",
        forward->site->row.name, "listen", forward->listen, "address", json_words(grant->address),
        "port", (int)grant->port, "target", grant->target, "enabled", (int)grant->enabled, "state",
        forward_state_name(forward_state(forward)), "reason", json_words(forward_reason(forward)),
        "policy", policy_show(&grant->policy), "refused", refused, "refused_total",
        (json_int_t)refused_total, "created", json_time(grant->created_s));
}

json_t *row_session(const struct session *session)
{
    static const struct site_row unknown;
    const struct site_row *site = session->site ? &session->site->row : &unknown;
    const char *role = session_is_publisher(session)    ? "publisher"
                       : session->role == ROLE_ENROLLED ? "enrol"
                       : session->role == ROLE_OPERATOR ? "operator"
                                                        : "site";
    json_t *rtt_ms =
        session->rtt_us != 0 ? json_real((double)session->rtt_us / 1000.0) : json_null();
    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:o, s:I, s:o, s:I, s:o, s:o, s:i}",
                     "id", (json_int_t)session->id, "site", json_words(session->site_name),
                     "operator", json_words(kept_text(session->operator_name)), "role", role,
                     "peer", session->peer, "software", json_words(kept_text(session->software)),
                     "cipher", json_words(kept_text(session->cipher)), "key", session->fingerprint,
                     "since", json_time(session->since_s), "since_s",
                     seconds_since(session->since_ms), "rtt_ms", rtt_ms, "reconnects",
                     (json_int_t)site->reconnects, "last_disconnect",
                     json_time(site->last_disconnect_s), "last_reason",
                     json_words(site->last_reason), "worker", (int)session->worker->number);
}

json_t *row_forward(const struct forward *forward)
{
    json_t *session =
        forward->session ? json_integer((json_int_t)forward->session->id) : json_null();
    const struct target_health *health = &forward->health;
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:s, s:o, s:o}",
        "site", forward->site->row.name, "listen", forward->listen, "target",
        forward->grant->target, "state", forward_state_name(forward_state(forward)), "reason",
        json_words(forward_reason(forward)), "connections", (json_int_t)forward->connection_count,
        "connections_total", (json_int_t)forward->connections_total, "waiting",
        (json_int_t)forward->waiting_count, "bytes_in", (json_int_t)forward->bytes_in, "bytes_out",
        (json_int_t)forward->bytes_out, "errors", (json_int_t)forward->errors, "last_error",
        json_words(kept_text(forward->last_error)), "session", session, "fault",
        json_words(forward_fault(forward)), "target_state", target_state_name(health->state),
        "last_ok", json_time(health->ok_s), "last_failure", json_time(health->failed_s));
}

json_t *row_outbound(const struct outbound *outbound)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "site",
                     outbound->site->row.name, "listen", outbound->listen, "target",
                     outbound->target, "state", outbound_state_name(outbound_state(outbound)),
                     "reason", json_words(outbound_reason(outbound)), "connections",
                     (json_int_t)outbound->connection_count, "connections_total",
                     (json_int_t)outbound->connections_total, "bytes_in",
                     (json_int_t)outbound->bytes_in, "bytes_out", (json_int_t)outbound->bytes_out,
                     "errors", (json_int_t)outbound->errors, "refused",
                     (json_int_t)outbound->refused, "last_error", json_words(outbound->last_error),
                     "created", json_time(outbound->row.created_s));
}

static json_t *list_scopes(const struct scopes *scopes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < scopes->count; i++) {
        char text[SCOPE_TEXT_SIZE];
        (void)json_array_append_new(list, json_string(scope_format(&scopes->items[i], text)));
    }
    return list;
}

json_t *row_operator(const struct hub_operator *person)
{
    json_int_t sessions = 0, connections = 0;
    const struct session *session;
    const struct connection *connection;
    TAILQ_FOREACH(session, &person->sessions, of_operator)
    {
        sessions += session->authenticated;
        TAILQ_FOREACH(connection, &session->opened, of_opener)
        connections++;
    }
    const char *state = operator_has_expired(person) ? "expired"
                        : sessions > 0               ? "online"
                                                     : "offline";
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:o}", "name", person->row.name, "state",
                     state, "key", person->fingerprint, "sites", list_scopes(&person->row.scopes),
                     "sessions", sessions, "connections", connections, "expires",
                     json_time(person->row.expires_s), "created", json_time(person->row.created_s));
}

json_t *row_connection(const struct connection *connection)
{
    const struct forward *forward = connection->forward;
    const struct outbound *outbound = connection->outbound;
    char visitor[CONNECTION_VISITOR_SIZE];
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:I, s:I, s:I}", "id",
        (json_int_t)connection->id, "site",
        forward ? forward->site->row.name : outbound->site->row.name, "direction",
        forward ? "in" : "out", "listen", forward ? forward->listen : outbound->listen, "visitor",
        connection_visitor(connection, visitor), "operator", json_words(connection->operator_name),
        "target", forward ? forward->grant->target : outbound->target, "state",
        connection->state == CONNECTION_OPEN ? "open" : "opening", "since",
        json_time(connection->since_s), "duration_s", seconds_since(connection->since_ms),
        "bytes_in", (json_int_t)connection->bytes_in, "bytes_out",
        (json_int_t)connection->bytes_out);
}
