/*
 * One-time enrolment tokens: "ID.SECRET".  The id is public and printable (10 characters), the
 * secret holds 160 random bits (32 characters); both in lower-case base32 (RFC 4648 letters).
 * The hub keeps the SHA-256 of the secret alone.
 */
#ifndef KEYS_TOKEN_H
#define KEYS_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

#define TOKEN_ID_SIZE   11
#define TOKEN_TEXT_SIZE 44 /* 10 + '.' + 32 + NUL */

struct token {
    char id[TOKEN_ID_SIZE];
    char text[TOKEN_TEXT_SIZE]; /* secret: wipe */
};

void token_new(struct token *token);
/* Checks the form only; blanks around it are forgiven (people paste). */
bool token_parse(const char *text, struct token *token);
/* What the hub stores and compares (secret_equal). */
void token_digest(const struct token *token, uint8_t digest[32]);
void token_wipe(struct token *token);

#endif
