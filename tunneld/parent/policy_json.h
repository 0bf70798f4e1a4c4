/*
 * A policy as JSON: as verbs take it, lists show it, the store keeps it, and `export` writes it.
 * Items that are at their default are left out; null puts an item back to its default.
 *
 *   {"from": ["192.0.2.0/24"], "max_connections": 10, "max_rate": 5, "bandwidth_in": 1000000,
 *    "bandwidth_out": 1000000, "connect_timeout_s": 5, "idle_timeout_s": 3600,
 *    "expires": "2027-01-01T00:00:00Z", "hold_s": 30, "target_check_s": 300, "proxy_protocol":
 * "v2", "private": true}
 */
#ifndef PARENT_POLICY_JSON_H
#define PARENT_POLICY_JSON_H

#include <jansson.h>

#include "parent/policy.h"

/* Changes what `json` names and leaves the rest; on failure nothing is changed.  The fault names
 * the item and what it may be. */
int policy_from_json(struct policy *policy, const json_t *json, struct fault *fault) MUST_CHECK;
/* NULL when out of memory. */
json_t *policy_to_json(const struct policy *policy);
/* The same with every item: null (`private`: false) where it is at its default. */
json_t *policy_show(const struct policy *policy);

#endif
