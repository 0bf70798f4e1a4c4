/*
 * The socket that Prometheus scrapes (setting `metrics_listen`).  Whatever is asked there, the
 * answer is the metrics: not a byte of a request is read.
 */
#ifndef PARENT_SCRAPE_H
#define PARENT_SCRAPE_H

#include <jansson.h>

#include "parent/hub.h"

int scrape_open(struct hub *hub, struct fault *fault) MUST_CHECK;
/* NULL inside is fine. */
void scrape_close(struct hub *hub);
/* The addresses, as bound. */
json_t *scrape_addresses(const struct hub *hub);

#endif
