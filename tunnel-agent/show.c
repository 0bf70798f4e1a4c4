/*
 * Tables for people.  Texts that came from elsewhere are printed without control characters.
 */
#define _GNU_SOURCE
#include "show.h"

#include <string.h>

#include "base/clock.h"
#include "keys/public_key.h"

#define LABEL_WIDTH   16
#define CLOCK_SLACK_S 300
#define CELL_SIZE     320

/* --- keyfiles --------------------------------------------------------------------------------- */

static void label(FILE *out, const char *name, size_t row)
{
    fprintf(out, "%-*s", LABEL_WIDTH, row == 0 ? name : "");
}

static void show_hub(const struct keyfile *keyfile, FILE *out)
{
    char text[HOST_PORT_SIZE], fingerprint[FINGERPRINT_SIZE];
    for (size_t i = 0; i < keyfile->hub.count; i++) {
        label(out, "hub", i);
        fprintf(out, "%s\n",
                host_port_format(keyfile->hub.items[i].host, keyfile->hub.items[i].port, text));
    }
    for (size_t i = 0; i < keyfile->host_keys.count; i++) {
        struct public_key key;
        if (public_key_from_line(keyfile->host_keys.items[i], &key, NULL) != 0)
            continue;
        label(out, "hub's host key", i);
        fprintf(out, "%s (%s)%s\n", public_key_fingerprint(&key, fingerprint), key.type,
                i > 0 ? ", standby" : "");
    }
}

static void show_forwards(const struct keyfile *keyfile, FILE *out)
{
    char listen[HOST_PORT_SIZE], target[HOST_PORT_SIZE];
    for (size_t i = 0; i < keyfile->forward_count; i++) {
        const struct keyfile_forward *forward = &keyfile->forwards[i];
        label(out, "forwards", i);
        fprintf(out, "%s on the hub -> %s here\n",
                host_port_format(forward->listen.host, forward->listen.port, listen),
                host_port_format(forward->target.host, forward->target.port, target));
    }
    if (keyfile->forward_count == 0)
        fprintf(out, "%-*snone yet\n", LABEL_WIDTH, "forwards");
    for (size_t i = 0; i < keyfile->allow_targets.count; i++) {
        label(out, "may dial", i);
        fprintf(out, "%s\n", keyfile->allow_targets.items[i]);
    }
    if (keyfile->allow_targets.count == 0)
        fprintf(out, "%-*snothing (allow_targets in agent.yaml)\n", LABEL_WIDTH, "may dial");
}

void show_keyfile(const struct keyfile *keyfile, int64_t now_s, FILE *out)
{
    char issued[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE], now[CLOCK_TEXT_SIZE];
    label(out, "site", 0);
    fprintf(out, "%s\n", keyfile->site);
    show_hub(keyfile, out);
    label(out, "issued", 0);
    fprintf(out, "%s\n", clock_format(keyfile->issued_s, issued));
    label(out, "expires", 0);
    fprintf(out, "%s\n", clock_format(keyfile->expires_s, expires));
    show_forwards(keyfile, out);
    if (now_s + CLOCK_SLACK_S < keyfile->issued_s || now_s > keyfile->expires_s)
        fprintf(out,
                "Note: this machine's clock says %s, which is %s; only the hub's clock decides.\n",
                clock_format(now_s, now),
                now_s > keyfile->expires_s ? "after the keyfile's end" : "before its issue");
}

/* --- status ----------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name, char cell[CELL_SIZE])
{
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(cell, CELL_SIZE, "%s", text != NULL && text[0] != '\0' ? text : "-");
    for (char *c = cell; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    return cell;
}

static uint64_t count_of(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void show_uplink(const json_t *status, FILE *out)
{
    char cell[CELL_SIZE], other[CELL_SIZE], through[CELL_SIZE], age[32];
    const json_t *proxy = json_object_get(status, "proxy");
    const json_t *retry = json_object_get(status, "next_retry_s");
    const json_t *rtt = json_object_get(status, "rtt_ms");
    text_format_age_s(count_of(status, "since_s"), age, sizeof age);
    fprintf(out, "%-*s%s\n", LABEL_WIDTH, "site", text_of(status, "site", cell));
    fprintf(out, "%-*s%s, hub %s%s%s, for %s", LABEL_WIDTH, "state", text_of(status, "state", cell),
            text_of(status, "hub", other), json_is_string(proxy) ? " through " : "",
            json_is_string(proxy) ? text_of(status, "proxy", through) : "", age);
    if (json_is_integer(retry))
        fprintf(out, ", next try in %llu s", (unsigned long long)count_of(status, "next_retry_s"));
    fprintf(out, "\n%-*s%s\n", LABEL_WIDTH, "hub's host key", text_of(status, "host_key", cell));
    fprintf(out, "%-*s%s\n", LABEL_WIDTH, "site's key", text_of(status, "key", cell));
    if (json_is_number(rtt))
        fprintf(out, "%-*s%.1f ms\n", LABEL_WIDTH, "round trip", json_number_value(rtt));
    fprintf(out, "%-*s%llu\n", LABEL_WIDTH, "reconnects",
            (unsigned long long)count_of(status, "reconnects"));
    if (json_is_string(json_object_get(status, "last_disconnect")))
        fprintf(out, "%-*s%s: %s\n", LABEL_WIDTH, "last lost",
                text_of(status, "last_disconnect", cell),
                text_of(status, "last_disconnect_reason", other));
    fprintf(out, "%-*s%s\n", LABEL_WIDTH, "last error", text_of(status, "last_error", cell));
    fprintf(out, "%-*s%s, pid %llu\n", LABEL_WIDTH, "tunnel-agent",
            text_of(status, "version", cell), (unsigned long long)count_of(status, "pid"));
}

static void show_watchdog(const json_t *status, FILE *out)
{
    char when[CELL_SIZE], reason[CELL_SIZE];
    const json_t *watchdog = json_object_get(status, "watchdog");
    if (!json_is_string(json_object_get(watchdog, "last_repair")))
        return;
    fprintf(out, "%-*s%llu, last at %s: %s\n", LABEL_WIDTH, "repairs",
            (unsigned long long)count_of(watchdog, "repairs"),
            text_of(watchdog, "last_repair", when),
            text_of(watchdog, "last_repair_reason", reason));
}

static void show_forward(const json_t *forward, FILE *out)
{
    char listen[CELL_SIZE], target[CELL_SIZE], state[CELL_SIZE], in[32], output[32];
    text_format_bytes(count_of(forward, "bytes_in"), in, sizeof in);
    text_format_bytes(count_of(forward, "bytes_out"), output, sizeof output);
    fprintf(out, "%-22s %-26s %-11s %5llu %8llu %10s %10s %7llu\n",
            text_of(forward, "listen", listen), text_of(forward, "target", target),
            text_of(forward, "state", state), (unsigned long long)count_of(forward, "connections"),
            (unsigned long long)count_of(forward, "connections_total"), in, output,
            (unsigned long long)count_of(forward, "errors"));
    if (json_is_string(json_object_get(forward, "reason")))
        fprintf(out, "  %s\n", text_of(forward, "reason", state));
    if (json_is_string(json_object_get(forward, "last_error")))
        fprintf(out, "  last error: %s\n", text_of(forward, "last_error", state));
}

static void show_list(const json_t *status, const char *name, FILE *out)
{
    size_t index;
    const json_t *row;
    const json_t *rows = json_object_get(status, name);
    fprintf(out, "\n%-22s %-26s %-11s %5s %8s %10s %10s %7s\n", "LISTEN", "TARGET", "STATE", "NOW",
            "TOTAL", "IN", "OUT", "ERRORS");
    json_array_foreach(rows, index, row) show_forward(row, out);
}

void show_status(const json_t *status, FILE *out)
{
    char cell[CELL_SIZE];
    show_uplink(status, out);
    show_watchdog(status, out);
    fprintf(out, "%-*s%s\n", LABEL_WIDTH, "confinement", text_of(status, "confinement", cell));
    if (json_array_size(json_object_get(status, "forwards")) > 0)
        show_list(status, "forwards", out);
    else
        fprintf(out, "%-*snone\n", LABEL_WIDTH, "forwards");
    if (json_array_size(json_object_get(status, "outbound")) == 0)
        return;
    fprintf(out, "\noutbound, listening here:");
    show_list(status, "outbound", out);
}
