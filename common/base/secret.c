/*
 * Random bytes, comparison whose time does not tell where two secrets differ, wiping that the
 * compiler may not leave out, and keeping memory from being dumped.
 */
#define _GNU_SOURCE
#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(TUNNEL_VALGRIND)
#define TRACEABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRACEABLE 1
#endif
#endif

void secret_random(void *bytes, size_t length)
{
    unsigned char *next = bytes;
    while (length > 0) {
        ssize_t got = getrandom(next, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* a guessable secret is worse than no program */
        next += got;
        length -= (size_t)got;
    }
}

bool secret_equal(const void *a, const void *b, size_t length)
{
    const volatile unsigned char *left = a;
    const volatile unsigned char *right = b;
    unsigned char difference = 0;
    for (size_t i = 0; i < length; i++)
        difference = (unsigned char)(difference | (left[i] ^ right[i]));
    return difference == 0;
}

void secret_wipe(void *bytes, size_t length)
{
    if (bytes != NULL)
        explicit_bzero(bytes, length);
}

/* The limit alone does not count where the kernel hands dumps to a program (core(5)). */
void secret_forbid_dumps(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef TRACEABLE
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
