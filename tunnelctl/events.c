/*
 * Events: what happened, and with --follow what happens.  A followed stream is one line for each
 * event, also as JSON, so that both can be read while they come.
 */
#define _GNU_SOURCE
#include <signal.h>

#include "control/client.h"
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/output.h"
#include "tunnelctl/value.h"

#define RECENT 10 /* events shown before the followed ones, unless --since */

static const struct parameter options[] = {
    {"--follow", "follow", NULL, NULL, "go on with what happens, until Ctrl-C", 'f'},
    {"--since", "since_s", read_since, "T",
     "from then on: a duration such as 1h, or a time such as 2026-01-31T12:00:00Z"},
    {NULL},
};

static void print_padded(FILE *out, const json_t *event, const char *key, size_t width)
{
    char text[CELL_SIZE];
    cell_write(cell_text, json_object_get(event, key), text);
    for (size_t used = output_text(out, text); used < width; used++)
        fputc(' ', out);
    fputs("  ", out);
}

/* "session 3, from 192.0.2.7:50122, by root": what of it is known. */
static void print_parts(FILE *out, const json_t *event)
{
    static const struct {
        const char *key, *word;
    } parts[] = {{"detail", ""}, {"peer", "from "}, {"actor", "by "}};
    const char *comma = "";
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const char *text = json_string_value(json_object_get(event, parts[i].key));
        if (!text || !*text)
            continue;
        fprintf(out, "%s%s", comma, parts[i].word);
        output_text(out, text);
        comma = ", ";
    }
}

static void print_event(const struct invocation *invocation, const json_t *event)
{
    FILE *out = invocation->out;
    if (invocation->json) {
        json_dumpf(event, out, JSON_COMPACT | JSON_ENSURE_ASCII);
        fputc('\n', out);
        return;
    }
    print_padded(out, event, "time", 20);
    print_padded(out, event, "event", 17);
    print_padded(out, event, "site", 12);
    print_parts(out, event);
    fputc('\n', out);
}

static void print_from(const struct invocation *invocation, const json_t *events, size_t first)
{
    for (size_t i = first; i < json_array_size(events); i++)
        print_event(invocation, json_array_get(events, i));
}

static void on_signal(int number)
{
    (void)number;
}

/* The signal only interrupts the waiting.  A second one, should the first have come just before
 * it, ends the program. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static enum outcome follow(struct invocation *invocation, struct fault *fault)
{
    for (;;) {
        json_t *event = NULL;
        fflush(invocation->out);
        int result =
            control_client_next_event(invocation->client, fileno(invocation->out), &event, fault);
        if (result == CONTROL_INTERRUPTED)
            return DONE;
        if (result < 0)
            return UNREACHABLE;
        print_event(invocation, event);
        json_decref(event);
    }
}

static enum outcome show_events(struct invocation *invocation, struct fault *fault)
{
    json_t *data = NULL;
    bool follows = json_object_get(invocation->args, "follow") != NULL;
    bool since = json_object_get(invocation->args, "since_s") != NULL;
    catch_signals();
    enum outcome outcome =
        hub_ask(invocation, invocation->command->verb, invocation->args, &data, fault);
    if (outcome != DONE)
        return outcome;
    size_t count = json_array_size(data);
    if (invocation->json && !follows)
        output_json(invocation->out, data);
    else if (count == 0 && !follows)
        fprintf(invocation->out, "no events\n");
    else
        print_from(invocation, data, follows && !since && count > RECENT ? count - RECENT : 0);
    json_decref(data);
    return follows ? follow(invocation, fault) : DONE;
}

static const struct command commands[] = {
    {
        .words = "events",
        .help = "Show what happened: sites online and offline, refusals, changes",
        .verb = "events",
        .options = options,
        .run = show_events,
    },
    {NULL},
};
const struct family events_family = {"events", commands};
