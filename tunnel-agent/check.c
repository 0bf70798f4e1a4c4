/*
 * The chain of `check` as a table: which steps there are, what each needs, and how the verdicts are
 * shown.  What a step looks at stands in check_files.c, check_hub.c, check_session.c and
 * check_targets.c.
 */
#define _GNU_SOURCE
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check_steps.h"

static bool has_keyfile(const struct check *check)
{
    return check->options->keyfile != NULL || check->stage == STATE_PENDING;
}

static bool has_outbound(const struct check *check)
{
    return check->outbound_count > 0;
}

static const struct check_step STEPS[] = {
    {"state", NULL, NULL, check_state},
    {"file", NULL, NULL, check_file},
    {"in date", "file", has_keyfile, check_date},
    {"site key", "state", NULL, check_site_key},
    {"dns A", "file", NULL, check_dns_a},
    {"dns AAAA", "file", NULL, check_dns_aaaa},
    {"tcp", "file", NULL, check_tcp},
    {"proxy", NULL, check_has_proxies, check_proxy},
    {"banner", "tcp", NULL, check_banner},
    {"algorithms", "banner", NULL, check_algorithms},
    {"host key", "algorithms", NULL, check_host_key},
    {"login", "host key", NULL, check_login},
    {"token", "host key", has_keyfile, check_token},
    {"forward", "file", NULL, check_forwards},
    {"outbound", "login", has_outbound, check_outbound},
    {"target", "file", NULL, check_targets},
    {"clock", "file", NULL, check_clock},
    {"round trip", "tcp", NULL, check_round_trip},
};
#define STEP_COUNT (sizeof STEPS / sizeof STEPS[0])

/* --- verdicts --------------------------------------------------------------------------------- */

static const char *const VERDICTS[] = {
    [CHECK_PASS] = "PASS", [CHECK_FAIL] = "FAIL", [CHECK_SKIP] = "SKIP"};

/* A fault's text is printable, whatever went into it. */
static json_t *clean(const char *text)
{
    struct fault fault;
    if (text == NULL)
        return json_null();
    (void)fault_set(&fault, "%s", text);
    return json_string(fault.text);
}

void check_say(struct check *check, enum check_verdict verdict, const char *target,
               const char *advice, const char *format, ...)
{
    char detail[FAULT_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    json_t *row = json_pack("{s:s, s:o, s:s, s:o, s:o}", "component", check->step->component,
                            "target", clean(target), "verdict", VERDICTS[verdict], "detail",
                            clean(detail), "advice", clean(advice));
    /* A row that is lost, because memory is short, may have been a failure. */
    if (json_array_append_new(check->rows, row) != 0 || verdict == CHECK_FAIL)
        check->failed++;
}

void check_say_fault(struct check *check, const char *target, const struct fault *fault,
                     const char *advice)
{
    const char *parts = strstr(fault->text, "; ");
    if (parts == NULL)
        check_say(check, CHECK_FAIL, target, advice, "%s", fault->text);
    else
        check_say(check, CHECK_FAIL, target, parts + 2, "%.*s", (int)(parts - fault->text),
                  fault->text);
}

void check_say_needs(struct check *check, const char *target, const char *component)
{
    check_say(check, CHECK_SKIP, target, NULL, "needs %s", component);
}

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text != NULL && text[0] != '\0' ? text : "-";
}

bool check_passed(const struct check *check, const char *component)
{
    size_t index;
    const json_t *row;
    json_array_foreach(check->rows, index, row)
    {
        if (strcmp(text_of(row, "component"), component) == 0 &&
            strcmp(text_of(row, "verdict"), VERDICTS[CHECK_PASS]) == 0)
            return true;
    }
    return false;
}

static void run_steps(struct check *check)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        const struct check_step *step = &STEPS[i];
        check->step = step;
        if (step->applies != NULL && !step->applies(check))
            continue;
        if (step->needs != NULL && !check_passed(check, step->needs))
            check_say_needs(check, NULL, step->needs);
        else
            step->run(check);
    }
}

/* --- output ----------------------------------------------------------------------------------- */

static const struct {
    const char *title, *name;
} COLUMNS[] = {
    {"COMPONENT", "component"}, {"TARGET", "target"}, {"VERDICT", "verdict"}, {"DETAIL", "detail"}};
#define COLUMN_COUNT (sizeof COLUMNS / sizeof COLUMNS[0])

/* In characters; the rows hold well-formed UTF-8. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void measure(const json_t *rows, size_t widths[COLUMN_COUNT])
{
    size_t index;
    const json_t *row;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        widths[i] = strlen(COLUMNS[i].title);
        json_array_foreach(rows, index, row)
        {
            size_t width = width_of(text_of(row, COLUMNS[i].name));
            if (width > widths[i])
                widths[i] = width;
        }
    }
}

/* A row, or with NULL the header. */
static void print_row(const json_t *row, const size_t widths[COLUMN_COUNT])
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const char *text = row != NULL ? text_of(row, COLUMNS[i].name) : COLUMNS[i].title;
        bool last = i + 1 == COLUMN_COUNT;
        printf("%s%*s", text, last ? 0 : (int)(widths[i] - width_of(text) + 2), "");
    }
    putchar('\n');
}

static void print_table(const json_t *rows)
{
    size_t widths[COLUMN_COUNT], index;
    const json_t *row;
    measure(rows, widths);
    print_row(NULL, widths);
    json_array_foreach(rows, index, row)
    {
        print_row(row, widths);
        if (json_is_string(json_object_get(row, "advice")))
            printf("    -> %s\n", text_of(row, "advice"));
    }
}

static void print_json(const json_t *rows)
{
    /* ASCII, because JSON leaves C1 controls as they are. */
    json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
}

/* --- the command ------------------------------------------------------------------------------ */

static void release(struct check *check)
{
    check_hang_up(check->session);
    ssh_key_free(check->key);
    check_forget_ways(check);
    agent_settings_release(&check->settings);
    keyfile_release(&check->keyfile);
    free(check->lookups);
    free(check->granted);
    free(check->outbound);
    json_decref(check->rows);
    free(check);
}

int command_check(const struct options *options, struct fault *fault)
{
    struct check *check = calloc(1, sizeof *check);
    json_t *rows = json_array();
    if (check == NULL || rows == NULL) {
        free(check);
        json_decref(rows);
        fault_set(fault, "out of memory");
        return EXIT_REFUSED;
    }
    check->options = options;
    check->rows = rows;
    run_steps(check);
    if (options->json)
        print_json(rows);
    else
        print_table(rows);
    unsigned failed = check->failed;
    if (failed > 0)
        fault_set(fault, "%u of %zu checks failed", failed, json_array_size(rows));
    release(check);
    return failed == 0 ? EXIT_DONE : EXIT_REFUSED;
}
