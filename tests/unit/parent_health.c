/* Warnings: when they come and when they are over; what /proc says; the exposition's escapes. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/kept_text.h"
#include "parent/exposition.h"
#include "parent/health_rules.h"
#include "parent/process_figures.h"
#include "parent/target_health.h"
#include "suite.h"

static const struct {
    enum health_rule rule;
    bool raised;
    uint64_t used, limit;
    enum health_change change;
} table[] = {
    {HEALTH_SESSIONS, false, 0, 100, HEALTH_SAME},
    {HEALTH_SESSIONS, false, 79, 100, HEALTH_SAME},
    {HEALTH_SESSIONS, false, 80, 100, HEALTH_RAISED},
    {HEALTH_SESSIONS, false, 200, 100, HEALTH_RAISED},
    {HEALTH_SESSIONS, true, 200, 100, HEALTH_SAME},
    {HEALTH_SESSIONS, true, 79, 100, HEALTH_SAME},
    {HEALTH_SESSIONS, true, 70, 100, HEALTH_SAME},
    {HEALTH_SESSIONS, true, 69, 100, HEALTH_OVER},
    {HEALTH_SESSIONS, true, 0, 100, HEALTH_OVER},
    {HEALTH_SESSIONS, false, 1, 1, HEALTH_RAISED},
    {HEALTH_SESSIONS, false, 0, 1, HEALTH_SAME},
    {HEALTH_DESCRIPTORS, false, 0, 0, HEALTH_SAME},
    {HEALTH_DESCRIPTORS, false, 5, 0, HEALTH_SAME},
    {HEALTH_DESCRIPTORS, true, 0, 0, HEALTH_OVER},
    {HEALTH_MEMORY, false, UINT64_MAX / 2, UINT64_MAX, HEALTH_SAME},
    {HEALTH_MEMORY, false, UINT64_MAX - 1, UINT64_MAX, HEALTH_RAISED},
    {HEALTH_WORKER_MEMORY, false, 99, 100, HEALTH_SAME},
    {HEALTH_WORKER_MEMORY, false, 100, 100, HEALTH_RAISED},
    {HEALTH_WORKER_MEMORY, true, 90, 100, HEALTH_SAME},
    {HEALTH_WORKER_MEMORY, true, 89, 100, HEALTH_OVER},
    {HEALTH_EVENTS, false, 1, 1, HEALTH_RAISED},
    {HEALTH_EVENTS, true, 1, 1, HEALTH_SAME},
    {HEALTH_EVENTS, true, 0, 1, HEALTH_OVER},
};

START_TEST(a_warning_changes)
{
    const struct health_measure measure = {table[_i].used, table[_i].limit};
    ck_assert_int_eq(health_judge(table[_i].rule, table[_i].raised, &measure), table[_i].change);
}
END_TEST

/* A figure that hovers at the brink is told once, and once when it is over. */
START_TEST(hovering)
{
    static const uint64_t figures[] = {10, 79, 80, 79, 81, 75, 80, 70, 90, 69, 79, 60};
    bool raised = false;
    int told = 0, over = 0;
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const struct health_measure measure = {figures[i], 100};
        enum health_change change = health_judge(HEALTH_LOGINS, raised, &measure);
        told += change == HEALTH_RAISED;
        over += change == HEALTH_OVER;
        raised = change == HEALTH_SAME ? raised : change == HEALTH_RAISED;
    }
    ck_assert_int_eq(told, 1);
    ck_assert_int_eq(over, 1);
}
END_TEST

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

START_TEST(the_last_of_a_disk)
{
    struct health_measure measure = health_disk(500 * GIB, 1000 * GIB);
    ck_assert_uint_eq(measure.used, 0);
    ck_assert_int_eq(health_judge(HEALTH_DISK, false, &measure), HEALTH_SAME);
    measure = health_disk(300 * MIB, 1000 * GIB);
    ck_assert_int_eq(health_judge(HEALTH_DISK, false, &measure), HEALTH_SAME);
    measure = health_disk(200 * MIB, 1000 * GIB);
    ck_assert_int_eq(health_judge(HEALTH_DISK, false, &measure), HEALTH_RAISED);
    measure = health_disk(300 * MIB, 1000 * GIB);
    ck_assert_int_eq(health_judge(HEALTH_DISK, true, &measure), HEALTH_SAME);
    measure = health_disk(310 * MIB, 1000 * GIB);
    ck_assert_int_eq(health_judge(HEALTH_DISK, true, &measure), HEALTH_OVER);
    measure = health_disk(50 * MIB, 100 * MIB);
    ck_assert_int_eq(health_judge(HEALTH_DISK, false, &measure), HEALTH_SAME);
    measure = health_disk(10 * MIB, 100 * MIB);
    ck_assert_int_eq(health_judge(HEALTH_DISK, false, &measure), HEALTH_RAISED);
    measure = health_disk(0, 0);
    ck_assert_int_eq(health_judge(HEALTH_DISK, false, &measure), HEALTH_SAME);
}
END_TEST

START_TEST(memory_grows_with_the_load)
{
    ck_assert_uint_lt(health_worker_memory_limit(0, 0), health_worker_memory_limit(1, 0));
    ck_assert_uint_lt(health_worker_memory_limit(1, 0), health_worker_memory_limit(1, 1));
}
END_TEST

START_TEST(descriptions)
{
    char text[256];
    struct health_measure measure = {17, 20};
    health_describe(HEALTH_SESSIONS, "", &measure, text, sizeof text);
    ck_assert_str_eq(text, "sessions: 17 of 20 (85 %); raise max_sessions");
    health_describe(HEALTH_DESCRIPTORS, "worker 1", &measure, text, sizeof text);
    ck_assert_str_eq(
        text, "open descriptors of worker 1: 17 of 20 (85 %); raise LimitNOFILE of the service");
    measure = health_disk(100 * MIB, 10 * GIB);
    health_describe(HEALTH_DISK, "", &measure, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "100.0 MiB left"));
    measure = (struct health_measure){300 * MIB, 200 * MIB};
    health_describe(HEALTH_WORKER_MEMORY, "worker 2", &measure, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "memory of worker 2: 300.0 MiB of 200.0 MiB (150 %)"));
    for (int rule = 0; rule < HEALTH_RULES; rule++) {
        health_describe((enum health_rule)rule, "", &measure, text, sizeof text);
        ck_assert_uint_gt(strlen(health_rule_name((enum health_rule)rule)), 0);
    }
}
END_TEST

static const struct {
    const char *line;
    bool is_one;
} stat_lines[] = {
    {"7 (tunneld) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 99 1000000 300 184467440", true},
    {"7 (a) R (b) 9 9) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 99 1000000 300 1", true},
    {"7 (tunneld) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 99 1000000", false},
    {"7 (tunneld) S", false},
    {"", false},
};

START_TEST(a_line_of_stat)
{
    int64_t cpu_ms = -7, rss_bytes = -7;
    ck_assert(process_stat_parse(stat_lines[_i].line, &cpu_ms, &rss_bytes) ==
              stat_lines[_i].is_one);
    ck_assert_int_eq(cpu_ms, stat_lines[_i].is_one ? 300 * 1000 / sysconf(_SC_CLK_TCK) : -7);
    ck_assert_int_eq(rss_bytes, stat_lines[_i].is_one ? 300 * sysconf(_SC_PAGESIZE) : -7);
}
END_TEST

START_TEST(ourselves)
{
    struct process_figures before = process_figures_read((int)getpid(), true);
    ck_assert_int_ge(before.cpu_ms, 0);
    ck_assert_int_gt(before.rss_bytes, 100000);
    ck_assert_int_gt(before.pss_bytes, 0);
    ck_assert_int_gt(before.descriptor_limit, 0);
    int more[2];
    ck_assert_int_eq(pipe(more), 0);
    struct process_figures after = process_figures_read((int)getpid(), false);
    ck_assert_int_eq(after.descriptors, before.descriptors + 2);
    ck_assert_int_eq(after.pss_bytes, FIGURE_UNKNOWN);
    (void)close(more[0]);
    (void)close(more[1]);
}
END_TEST

START_TEST(nobody)
{
    struct process_figures figures = process_figures_read(0x7ffffffe, true);
    ck_assert_int_eq(figures.cpu_ms, FIGURE_UNKNOWN);
    ck_assert_int_eq(figures.rss_bytes, FIGURE_UNKNOWN);
    ck_assert_int_eq(figures.pss_bytes, FIGURE_UNKNOWN);
    ck_assert_int_eq(figures.descriptors, FIGURE_UNKNOWN);
    ck_assert_int_eq(figures.descriptor_limit, FIGURE_UNKNOWN);
}
END_TEST

START_TEST(an_exposition)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    const struct exposition_label labels[] = {
        {"site", "a\"b\\c\nd"}, {"reason", "k\xc3\xb6ln"}, {NULL}};
    const struct exposition_label none[] = {{NULL}};
    exposition_family(out, "x_total", "counter", "One \"line\"\nand \\ more.");
    exposition_sample(out, "x_total", labels, 3);
    exposition_sample(out, "x_total", none, 4503599627370497.0);
    exposition_sample(out, "x_total", NULL, 0.000125);
    exposition_sample(out, "x_total", NULL, -1);
    exposition_sample(out, "x_total", NULL, 1e300);
    (void)fclose(out);
    ck_assert_str_eq(text, "# HELP x_total One \"line\"\\nand \\\\ more.\n"
                           "# TYPE x_total counter\n"
                           "x_total{site=\"a\\\"b\\\\c\\nd\",reason=\"k\xc3\xb6ln\"} 3\n"
                           "x_total 4503599627370497\n"
                           "x_total 0.000125\n"
                           "x_total -1\n"
                           "x_total 1e+300\n");
    free(text);
}
END_TEST

START_TEST(a_target)
{
    struct target_health health = {0};
    ck_assert_str_eq(target_state_name(health.state), "untried");
    target_failed(&health, "Connection\x1b[31m refused");
    ck_assert_str_eq(target_state_name(health.state), "fails");
    ck_assert_int_eq(health.ok_s, 0);
    ck_assert_int_gt(health.failed_s, 0);
    ck_assert_str_eq(kept_text(health.reason), "Connection?[31m refused");
    target_answered(&health);
    ck_assert_str_eq(target_state_name(health.state), "answers");
    ck_assert_int_gt(health.ok_s, 0);
    ck_assert_int_gt(health.failed_s, 0);
    kept_text_drop(&health.reason);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_health");
    TCase *cases = tcase_create("all");
    tcase_add_loop_test(cases, a_warning_changes, 0, sizeof table / sizeof *table);
    tcase_add_test(cases, hovering);
    tcase_add_test(cases, the_last_of_a_disk);
    tcase_add_test(cases, memory_grows_with_the_load);
    tcase_add_test(cases, descriptions);
    tcase_add_loop_test(cases, a_line_of_stat, 0, sizeof stat_lines / sizeof *stat_lines);
    tcase_add_test(cases, ourselves);
    tcase_add_test(cases, nobody);
    tcase_add_test(cases, an_exposition);
    tcase_add_test(cases, a_target);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
