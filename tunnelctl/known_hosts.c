/*
 * Reading known_hosts as sshd(8) describes it.  libssh2's own reader knows neither patterns nor
 * markers, so that a revoked key would pass.  Nothing is ever written: a key becomes known because
 * a person compared it.
 */
#define _GNU_SOURCE
#include "tunnelctl/known_hosts.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"

#define FILE_MAX     (8u << 20)
#define SSH_PORT     22
#define HASH_SIZE    20 /* SHA-1 */
#define PATTERN_SIZE HOST_PORT_SIZE

struct word {
    const char *text;
    size_t length;
};

static struct word next_word(const char **rest)
{
    *rest += strspn(*rest, " \t\r");
    struct word word = {*rest, strcspn(*rest, " \t\r\n")};
    *rest += word.length;
    return word;
}

static bool word_is(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

/* '*' and '?' as ssh means them; brackets stand for themselves. */
static bool glob(const char *pattern, const char *text)
{
    const char *star = NULL, *mark = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            mark = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* "|1|SALT|HASH": HMAC-SHA1 of the name. */
static bool hash_matches(const struct word *field, const char *name)
{
    uint8_t salt[HASH_SIZE], hash[HASH_SIZE], made[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const char *first = field->text + strlen("|1|");
    const char *end = field->text + field->length;
    const char *bar = memchr(first, '|', (size_t)(end - first));
    if (!bar || text_base64_decode(first, (size_t)(bar - first), salt, sizeof(salt)) != HASH_SIZE ||
        text_base64_decode(bar + 1, (size_t)(end - bar - 1), hash, sizeof(hash)) != HASH_SIZE)
        return false;
    return HMAC(EVP_sha1(), salt, HASH_SIZE, (const uint8_t *)name, strlen(name), made, &length) &&
           length == HASH_SIZE && secret_equal(hash, made, HASH_SIZE);
}

/* A list of patterns; one that matches behind '!' decides against all others. */
static bool list_matches(const struct word *field, const char *name)
{
    bool found = false;
    for (size_t at = 0; at < field->length;) {
        char pattern[PATTERN_SIZE];
        const char *start = field->text + at;
        const char *comma = memchr(start, ',', field->length - at);
        size_t length = comma ? (size_t)(comma - start) : field->length - at;
        at += length + 1;
        bool negated = length > 0 && *start == '!';
        if (negated) {
            start++;
            length--;
        }
        if (length >= sizeof(pattern))
            continue;
        for (size_t i = 0; i < length; i++)
            pattern[i] = (char)tolower((unsigned char)start[i]);
        pattern[length] = '\0';
        if (!glob(pattern, name))
            continue;
        if (negated)
            return false;
        found = true;
    }
    return found;
}

static bool host_matches(const struct word *field, const char *name)
{
    if (field->length > 3 && memcmp(field->text, "|1|", 3) == 0)
        return hash_matches(field, name);
    return list_matches(field, name);
}

static bool same_key(const struct word *base64, const struct public_key *key)
{
    uint8_t blob[PUBLIC_KEY_BLOB_MAX];
    long length = text_base64_decode(base64->text, base64->length, blob, sizeof(blob));
    return length == (long)key->length && memcmp(blob, key->blob, key->length) == 0;
}

static enum known judge_line(const char *line, const char *name, const struct public_key *key)
{
    struct word marker = {"", 0}, hosts = next_word(&line);
    if (hosts.length > 0 && *hosts.text == '@') {
        marker = hosts;
        hosts = next_word(&line);
    }
    struct word type = next_word(&line), base64 = next_word(&line);
    if (hosts.length == 0 || *hosts.text == '#' || !word_is(&type, key->type) ||
        !host_matches(&hosts, name))
        return KNOWN_NOT;
    bool same = same_key(&base64, key);
    if (word_is(&marker, "@revoked"))
        return same ? KNOWN_REVOKED : KNOWN_NOT;
    if (marker.length > 0)
        return KNOWN_NOT;
    return same ? KNOWN_SAME : KNOWN_CHANGED;
}

/* Revoked wins over the same key, which wins over another one. */
static enum known judge_name(const char *text, const char *name, const struct public_key *key,
                             unsigned *line)
{
    static const int weight[] = {
        [KNOWN_NOT] = 0, [KNOWN_CHANGED] = 1, [KNOWN_SAME] = 2, [KNOWN_REVOKED] = 3};
    enum known best = KNOWN_NOT;
    *line = 0;
    for (unsigned number = 1; *text; number++) {
        enum known known = judge_line(text, name, key);
        if (weight[known] > weight[best]) {
            best = known;
            *line = number;
        }
        text = strchrnul(text, '\n');
        text += *text == '\n';
    }
    return best;
}

/* As ssh writes it: lower case, [host]:port unless the port is 22. */
static void name_of(const struct host_port *host, bool with_port, char name[HOST_PORT_SIZE])
{
    if (with_port && host->port != SSH_PORT)
        snprintf(name, HOST_PORT_SIZE, "[%s]:%u", host->host, host->port);
    else
        snprintf(name, HOST_PORT_SIZE, "%s", host->host);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

enum known known_hosts_judge(const char *text, const struct host_port *host,
                             const struct public_key *key, unsigned *line)
{
    char name[HOST_PORT_SIZE];
    unsigned plain_line;
    name_of(host, true, name);
    enum known known = judge_name(text, name, key, line);
    if (known != KNOWN_NOT || host->port == SSH_PORT)
        return known;
    name_of(host, false, name);
    enum known plain = judge_name(text, name, key, &plain_line);
    if (plain == KNOWN_CHANGED) /* another server of that machine */
        return KNOWN_NOT;
    *line = plain_line;
    return plain;
}

/* --- sentences -------------------------------------------------------------------------------- */

static int say(enum known known, unsigned line, const char *path, const struct host_port *host,
               const struct public_key *key, struct fault *fault)
{
    char where[HOST_PORT_SIZE], name[HOST_PORT_SIZE], print[FINGERPRINT_SIZE];
    char key_line[PUBLIC_KEY_LINE_SIZE];
    host_port_format(host->host, host->port, where);
    name_of(host, true, name);
    public_key_fingerprint(key, print);
    if (known == KNOWN_NOT)
        return fault_set(fault,
                         "the host key of %s, %s, is not in %s; compare it with what 'tunnelctl "
                         "host-key show' says on the hub, then add this line: %s %s",
                         where, print, path, name, public_key_line(key, key_line));
    if (known == KNOWN_CHANGED)
        return fault_set(
            fault,
            "the host key of %s is %s now, and another in %s, line %u: somebody may be "
            "in between, or the hub rotated its key; compare it with what 'tunnelctl "
            "host-key show' says on the hub, then correct the line",
            where, print, path, line);
    return fault_set(fault,
                     "the host key of %s, %s, is revoked in %s, line %u; ask who runs the hub",
                     where, print, path, line);
}

int known_hosts_check(const char *path, const struct host_port *host, const struct public_key *key,
                      struct fault *fault)
{
    char *text = NULL;
    size_t length;
    unsigned line = 0;
    bool there = file_read(path, FILE_MAX, &text, &length, NULL) == 0;
    enum known known = there ? known_hosts_judge(text, host, key, &line) : KNOWN_NOT;
    free(text);
    return known == KNOWN_SAME ? 0 : say(known, line, path, host, key, fault);
}
