/*
 * What the swarm says: a line a second, a sentence whenever all of it is published, a summary.
 * With --json these go to standard error, and the summary to standard output as JSON.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "swarm.h"

#define LOGINS_KEPT 1000000u

static FILE *channel_of(const struct swarm *swarm)
{
    return swarm->options.json ? stderr : stdout;
}

void report_login(struct swarm *swarm, uint64_t took_ms)
{
    struct tally *tally = &swarm->tally;
    tally->published++;
    if (tally->login_count >= LOGINS_KEPT)
        return;
    if (tally->login_count == tally->login_size) {
        size_t size = tally->login_size > 0 ? 2 * tally->login_size : 1024;
        uint32_t *grown = realloc(tally->login_ms, size * sizeof *grown);
        if (grown == NULL)
            return;
        tally->login_ms = grown;
        tally->login_size = size;
    }
    tally->login_ms[tally->login_count++] = (uint32_t)took_ms;
}

void report_up(struct swarm *swarm, int change)
{
    uint64_t now_ms = clock_monotonic_ms();
    swarm->tally.up = (unsigned)((int)swarm->tally.up + change);
    if (swarm->tally.up < swarm->count) {
        if (swarm->incomplete_ms == 0)
            swarm->incomplete_ms = now_ms;
        return;
    }
    swarm->last_all_ms = now_ms - swarm->incomplete_ms;
    if (swarm->completions++ == 0)
        swarm->first_all_ms = swarm->last_all_ms;
    swarm->incomplete_ms = 0;
    (void)fprintf(channel_of(swarm), "all %u published after %.2f s\n", swarm->count,
                  (double)swarm->last_all_ms / 1000);
    (void)fflush(channel_of(swarm));
}

static long rss_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static double cpu_s(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void report_second(struct swarm *swarm)
{
    static uint64_t before;
    const struct tally *tally = &swarm->tally;
    (void)fprintf(channel_of(swarm),
                  "t=%" PRIu64 " up=%u/%u waiting=%u logins=%" PRIu64 " (+%" PRIu64
                  ") lost=%" PRIu64 " refused=%" PRIu64 " timeouts=%" PRIu64
                  " channels=%u echoed_mib=%" PRIu64 " rss_kib=%ld cpu_s=%.1f%s%s\n",
                  (clock_monotonic_ms() - swarm->began_ms) / 1000, tally->up, swarm->count,
                  tally->waiting, tally->logins, tally->logins - before, tally->lost,
                  tally->refused, tally->timeouts, tally->open_channels, tally->echoed_bytes >> 20,
                  rss_kib(), cpu_s(), tally->last_reason[0] != '\0' ? " last: " : "",
                  tally->last_reason);
    (void)fflush(channel_of(swarm));
    before = tally->logins;
    swarm->tally.last_reason[0] = '\0';
}

static int compare(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static uint32_t percentile(const struct tally *tally, size_t percent)
{
    return tally->login_count > 0 ? tally->login_ms[(tally->login_count - 1) * percent / 100] : 0;
}

static json_t *summary(struct swarm *swarm)
{
    const struct tally *tally = &swarm->tally;
    return json_pack(
        "{s:i s:i s:i s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I s:f}", "sites", (int)swarm->count,
        "up", (int)tally->up, "completions", (int)swarm->completions, "first_all_ms",
        (json_int_t)swarm->first_all_ms, "last_all_ms", (json_int_t)swarm->last_all_ms, "logins",
        (json_int_t)tally->logins, "lost", (json_int_t)tally->lost, "refused",
        (json_int_t)tally->refused, "timeouts", (json_int_t)tally->timeouts, "login_p50_ms",
        (json_int_t)percentile(tally, 50), "login_p99_ms", (json_int_t)percentile(tally, 99),
        "channels", (json_int_t)tally->channels, "echoed_bytes", (json_int_t)tally->echoed_bytes,
        "rss_kib", (json_int_t)rss_kib(), "cpu_s", cpu_s());
}

void report_summary(struct swarm *swarm)
{
    struct tally *tally = &swarm->tally;
    const char *key;
    json_t *value;
    if (tally->login_count > 1)
        qsort(tally->login_ms, tally->login_count, sizeof *tally->login_ms, compare);
    json_t *all = summary(swarm);
    if (swarm->options.json) {
        (void)json_dumpf(all, stdout, JSON_REAL_PRECISION(4));
    } else {
        json_object_foreach(all, key, value)(void)
            printf("%s=%.12g ", key, json_number_value(value));
    }
    (void)putchar('\n');
    json_decref(all);
    free(tally->login_ms);
}
