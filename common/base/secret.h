/*
 * Secrets: random bytes, constant-time comparison, wiping.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Fills from getrandom(2); aborts the program if the kernel refuses (it never does). */
void secret_random(void *bytes, size_t length);
bool secret_equal(const void *a, const void *b, size_t length);
/* explicit_bzero, and NULL is fine. */
void secret_wipe(void *bytes, size_t length);
/* No core dumps of this process, no tracing and no reading of its memory by its user's others.  Its
 * children inherit the first; each has to call it anew.  In a sanitized build the leak check must
 * be able to trace its own process: there it is the first alone. */
void secret_forbid_dumps(void);

#endif
