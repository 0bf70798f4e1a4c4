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

#endif
