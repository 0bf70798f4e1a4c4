/*
 * How long the hub takes to refuse.  Each line of the file is USER, or USER and a public key's
 * file; without one every try has a key of its own.  The users have their turns in one thread, so
 * that whatever else the machine does falls on all of them alike.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "modes.h"

#define CASES_MAX 16

struct timed {
    char user[128], path[512];
    uint64_t *took_ns;
};

static struct timed cases[CASES_MAX];
static unsigned case_count;

static bool read_cases(const char *path, unsigned tries)
{
    char line[sizeof cases[0].user + sizeof cases[0].path];
    FILE *file = fopen(path, "r");
    while (file != NULL && case_count < CASES_MAX && fgets(line, sizeof line, file) != NULL) {
        struct timed *timed = &cases[case_count];
        if (sscanf(line, "%127s %511s", timed->user, timed->path) < 1)
            continue;
        timed->took_ns = calloc(tries, sizeof *timed->took_ns);
        if (timed->took_ns == NULL)
            break;
        case_count++;
    }
    if (file != NULL)
        (void)fclose(file);
    return case_count > 0;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A connection for each try; only the answer to the login request is measured. */
static bool try_once(const struct hub *hub, const struct timed *timed, unsigned number,
                     uint64_t *took_ns)
{
    struct login login = {.socket = -1};
    struct key key = {.pair = NULL};
    bool made = timed->path[0] != '\0' ? key_read_public(timed->path, &key) : key_make(&key);
    bool refused = false;
    if (made && login_open(&login, hub, number)) {
        uint64_t begin = now_ns();
        refused = login_with_key(&login, timed->user, &key) == LOGIN_REFUSED;
        *took_ns = now_ns() - begin;
    }
    login_close(&login);
    key_release(&key);
    return refused;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

int mode_timing(const struct hub *hub, char **arguments)
{
    unsigned tries = (unsigned)atoi(arguments[1]);
    if (tries == 0 || !read_cases(arguments[0], tries))
        return 1;
    for (unsigned i = 0; i < tries * case_count; i++) {
        const struct timed *timed = &cases[i % case_count];
        if (!try_once(hub, timed, i, &timed->took_ns[i / case_count])) {
            (void)fprintf(stderr, "%s was not refused\n", timed->user);
            return 1;
        }
    }
    for (unsigned i = 0; i < case_count; i++) {
        const struct timed *timed = &cases[i];
        qsort(timed->took_ns, tries, sizeof *timed->took_ns, by_size);
        say("%s median_us=%u spread_us=%u", timed->user,
            (unsigned)(timed->took_ns[tries / 2] / 1000),
            (unsigned)((timed->took_ns[tries * 3 / 4] - timed->took_ns[tries / 4]) / 1000));
        free(timed->took_ns);
    }
    return 0;
}
