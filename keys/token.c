/*
 * Tokens: making, reading, hashing.  Who may use one, and until when, is the hub's business.
 */
#include "keys/token.h"

#include <string.h>

#include "base/secret.h"
#include "keys/public_key.h"

#define ID_LENGTH     (TOKEN_ID_SIZE - 1)
#define TEXT_LENGTH   (TOKEN_TEXT_SIZE - 1)
#define SECRET_LENGTH (TEXT_LENGTH - ID_LENGTH - 1)

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

void token_new(struct token *token)
{
    uint8_t random[TEXT_LENGTH];
    secret_random(random, sizeof random);
    for (size_t i = 0; i < TEXT_LENGTH; i++)
        token->text[i] = letters[random[i] % 32]; /* 256 is a multiple of 32: no bias */
    token->text[ID_LENGTH] = '.';
    token->text[TEXT_LENGTH] = '\0';
    memcpy(token->id, token->text, ID_LENGTH);
    token->id[ID_LENGTH] = '\0';
    secret_wipe(random, sizeof random);
}

bool token_parse(const char *text, struct token *token)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    if (strspn(text, letters) != ID_LENGTH || text[ID_LENGTH] != '.')
        return false;
    if (strspn(text + ID_LENGTH + 1, letters) != SECRET_LENGTH)
        return false;
    const char *rest = text + TEXT_LENGTH;
    if (rest[strspn(rest, blanks)] != '\0')
        return false;
    memcpy(token->id, text, ID_LENGTH);
    token->id[ID_LENGTH] = '\0';
    memcpy(token->text, text, TEXT_LENGTH);
    token->text[TEXT_LENGTH] = '\0';
    return true;
}

void token_digest(const struct token *token, uint8_t digest[32])
{
    digest_sha256(token->text + ID_LENGTH + 1, SECRET_LENGTH, digest);
}

void token_wipe(struct token *token)
{
    secret_wipe(token, sizeof *token);
}
