/*
 * The keyfile: what a technician carries to a site.  YAML, printable, holds a one-time token.
 *
 *   version: 1
 *   site: hannover
 *   hub: [hub.example.net:2222]
 *   host_keys: [ssh-ed25519 AAAA..., ssh-ed25519 AAAA...]     current, then offline standby
 *   token: k3v7q2m9xa.…
 *   issued: 2026-11-20T20:45:01Z
 *   expires: 2026-11-23T20:45:01Z
 *   forwards:
 *     - {listen: 127.0.0.1:8443, target: 192.168.1.10:443}
 *   allow_targets: [192.168.1.10:443]
 */
#ifndef KEYS_KEYFILE_H
#define KEYS_KEYFILE_H

#include "base/text.h"
#include "config/schema.h"
#include "keys/token.h"

#define KEYFILE_MAX_BYTES 65536
#define KEYFILE_VERSION   1

struct keyfile_forward {
    struct host_port listen; /* where visitors reach it on the hub */
    struct host_port target; /* what the agent dials */
};

struct keyfile {
    char site[NAME_SIZE];
    struct host_port_list hub;
    struct text_list host_keys; /* OpenSSH lines, checked */
    struct token token;
    int64_t issued_s, expires_s; /* wall time, hub's clock */
    size_t forward_count;
    struct keyfile_forward *forwards;
    struct text_list allow_targets;
};

/* `where` names the source in faults, which carry line and column: "FILE:3:7: ...".  Damaged,
 * empty, binary and oversized files, unknown names and a newer version are faults. */
int keyfile_parse(const char *text, size_t length, const char *where, struct keyfile *out,
                  struct fault *fault) MUST_CHECK;
int keyfile_read(const char *path, struct keyfile *out, struct fault *fault) MUST_CHECK;
/* malloc'ed text, secret: secret_wipe and free.  NULL when out of memory. */
char *keyfile_format(const struct keyfile *keyfile);
/* Wipes the token. */
void keyfile_release(struct keyfile *keyfile);

#endif
