/*
 * OpenSSH's known_hosts, read only: is this the key of that host?  Hashed names, [host]:port,
 * patterns with * ? and !, and @revoked count; lines of a @cert-authority and damaged ones do not.
 */
#ifndef TUNNELCTL_KNOWN_HOSTS_H
#define TUNNELCTL_KNOWN_HOSTS_H

#include "base/address.h"
#include "keys/public_key.h"

enum known {
    KNOWN_NOT,     /* no key of that type for the host */
    KNOWN_SAME,    /* the key is there */
    KNOWN_CHANGED, /* other keys of that type only */
    KNOWN_REVOKED, /* the key must not be trusted */
};

/* Pure.  *line is that of the entry which decided, from 1; 0: none did.  Like ssh, a host on
 * another port than 22 is looked for as [host]:port, then as host. */
enum known known_hosts_judge(const char *text, const struct host_port *host,
                             const struct public_key *key, unsigned *line);

/* The same with a file, and a sentence for all but KNOWN_SAME that shows the fingerprint. */
int known_hosts_check(const char *path, const struct host_port *host, const struct public_key *key,
                      struct fault *fault) MUST_CHECK;

#endif
