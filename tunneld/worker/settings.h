/*
 * What the parent tells a worker about itself, as JSON in HELLO and SETTINGS.
 */
#ifndef WORKER_SETTINGS_H
#define WORKER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/log.h"

#define SETTINGS_USER_SIZE 64

struct settings {
    enum log_level log_level;
    enum log_format log_format;
    uint64_t keepalive_ms;
    uint64_t dead_peer_ms;
    uint64_t login_grace_ms;
    uint64_t login_tries;
    bool legacy_mac;               /* offer the one that old clients need */
    char user[SETTINGS_USER_SIZE]; /* to become, when started as root; "" : nobody */
};

void settings_init(struct settings *settings);
/* Replaces those that `json` names; on failure none. */
int settings_read(struct settings *settings, const void *json, size_t length,
                  struct fault *fault) MUST_CHECK;

#endif
