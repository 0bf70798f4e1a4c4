/* The command `probe`, and how its steps are shown: each as soon as it is judged, or all as JSON.
 */
#define _GNU_SOURCE
#include "tunnelctl/probe.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tunnelctl/access.h"
#include "tunnelctl/families.h"
#include "tunnelctl/output.h"
#include "tunnelctl/probe_text.h"

#define WAIT_MS       3000u
#define WAIT_S_MAX    3600
#define DETAIL_COLUMN 68

static const char *const step_names[STEP_END] = {
    [STEP_HUB] = "hub",         [STEP_HOST_KEY] = "host key", [STEP_LOGIN] = "login",
    [STEP_FORWARD] = "forward", [STEP_TARGET] = "target",     [STEP_FIRST_BYTES] = "first bytes",
};
static const char *const verdict_names[] = {
    [VERDICT_SKIP] = "SKIP",
    [VERDICT_PASS] = "PASS",
    [VERDICT_FAIL] = "FAIL",
};

/* --- judging ---------------------------------------------------------------------------------- */

static void show_line(FILE *out, enum step step, enum verdict verdict, const char *detail,
                      int64_t ms)
{
    char time[24] = "";
    if (ms >= 0)
        snprintf(time, sizeof(time), "%lld ms", (long long)ms);
    fprintf(out, "  %d %-11s  ", (int)step + 1, step_names[step]);
    size_t width = output_text(out, detail);
    fprintf(out, "%*s %8s  %s\n", width < DETAIL_COLUMN ? (int)(DETAIL_COLUMN - width) : 0, "",
            time, verdict_names[verdict]);
    fflush(out);
}

/* ms < 0: it has no time of its own. */
static void judge(struct probe *probe, enum verdict verdict, const char *detail, int64_t ms)
{
    json_t *time = ms < 0 ? json_null() : json_integer(ms);
    json_t *row = json_pack("{s:s, s:s, s:s, s:o}", "step", step_names[probe->next], "verdict",
                            verdict_names[verdict], "detail", detail, "ms", time);
    (void)json_array_append_new(probe->steps, row);
    if (!probe->invocation->json)
        show_line(probe->invocation->out, probe->next, verdict, detail, ms);
    probe->next++;
    if (ms >= 0)
        probe->started_ms = clock_monotonic_ms();
}

static int64_t elapsed_ms(const struct probe *probe)
{
    return (int64_t)(clock_monotonic_ms() - probe->started_ms);
}

void probe_pass(struct probe *probe, const char *format, ...)
{
    char detail[DETAIL_SIZE];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(detail, sizeof(detail), format, values);
    va_end(values);
    judge(probe, VERDICT_PASS, detail, elapsed_ms(probe));
}

void probe_pass_with_next(struct probe *probe, const char *format, ...)
{
    char detail[DETAIL_SIZE];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(detail, sizeof(detail), format, values);
    va_end(values);
    judge(probe, VERDICT_PASS, detail, -1);
}

void probe_skip(struct probe *probe, const char *format, ...)
{
    char detail[DETAIL_SIZE];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(detail, sizeof(detail), format, values);
    va_end(values);
    judge(probe, VERDICT_SKIP, detail, elapsed_ms(probe));
}

bool probe_fail(struct probe *probe, const char *advice, const char *cause, ...)
{
    char detail[DETAIL_SIZE];
    va_list values;
    va_start(values, cause);
    (void)vsnprintf(detail, sizeof(detail), cause, values);
    va_end(values);
    if (advice)
        fault_set(&probe->cause, "%s; %s", detail, advice);
    else
        fault_set(&probe->cause, "%s", detail);
    char *end = strstr(detail, "; ");
    if (end)
        *end = '\0';
    judge(probe, VERDICT_FAIL, detail, elapsed_ms(probe));
    while (probe->next < STEP_END)
        judge(probe, VERDICT_SKIP, "not tried", -1);
    return false;
}

bool probe_first_bytes(struct probe *probe, const struct first_bytes *first)
{
    char shown[SHOWN_SIZE];
    switch (first->what) {
    case FIRST_BYTES:
        probe_pass(probe, "%s", bytes_show(first->bytes, first->length, shown));
        return true;
    case FIRST_SILENCE:
        probe_skip(probe, "%s",
                   probe->send_length ? "no answer yet, the connection is open"
                                      : "the target waits for the client");
        return true;
    case FIRST_END:
        return probe_fail(probe,
                          probe->send_length ? "see the target's log"
                                             : "see the target's log, or make it speak with --send",
                          "the target closed the connection without a byte");
    case FIRST_LOST:
    default:
        return probe_fail(probe, NULL, "%s", first->fault.text);
    }
}

/* --- the command ------------------------------------------------------------------------------ */

static const json_t *typed(const struct probe *probe, const char *name)
{
    return json_object_get(probe->invocation->typed, name);
}

static enum outcome probe_read(struct probe *probe, struct fault *fault)
{
    const char *send = json_string_value(typed(probe, "--send"));
    const json_t *wait_s = typed(probe, "--wait");
    probe->site = json_string_value(typed(probe, "SITE"));
    probe->port = (uint16_t)json_integer_value(typed(probe, "PORT"));
    probe->wait_ms = WAIT_MS;
    if (json_integer_value(wait_s) > WAIT_S_MAX) {
        fault_set(fault, "--wait is at most %d s", WAIT_S_MAX);
        return REFUSED;
    }
    if (wait_s)
        probe->wait_ms = (unsigned)json_integer_value(wait_s) * 1000;
    probe->steps = json_array();
    probe->send = malloc(send ? strlen(send) + 1 : 1);
    if (!probe->steps || !probe->send) {
        fault_set(fault, "out of memory");
        return REFUSED;
    }
    if (send && bytes_read(send, probe->send, &probe->send_length, fault) < 0) {
        fault_prefix(fault, "--send");
        return REFUSED;
    }
    return DONE;
}

static void show_verdict(const struct probe *probe)
{
    bool failed = *probe->cause.text;
    FILE *out = probe->invocation->out;
    if (!probe->invocation->json) {
        if (!failed)
            fprintf(out, "%s:%u works\n", probe->site, probe->port);
        return;
    }
    json_t *data = json_pack("{s:s, s:i, s:s, s:s?, s:O}", "site", probe->site, "port",
                             (int)probe->port, "verdict", failed ? "FAIL" : "PASS", "cause",
                             failed ? probe->cause.text : NULL, "steps", probe->steps);
    output_json(out, data);
    json_decref(data);
}

enum outcome probe_site(struct invocation *invocation, struct fault *fault)
{
    struct probe probe = {.invocation = invocation, .started_ms = clock_monotonic_ms()};
    enum outcome outcome = probe_read(&probe, fault);
    if (outcome == DONE)
        outcome = access_is_wanted(invocation) ? probe_as_operator(&probe, fault)
                                               : probe_as_visitor(&probe, fault);
    if (outcome == DONE) {
        show_verdict(&probe);
        if (*probe.cause.text) {
            fault_set(fault, "%s:%u does not work: %s", probe.site, probe.port, probe.cause.text);
            outcome = REFUSED;
        }
    }
    json_decref(probe.steps);
    free(probe.send);
    return outcome;
}
