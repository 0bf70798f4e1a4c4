/*
 * Sentences of the tables of commands, with places to fill: {SITE} is a parameter as typed,
 * {listen} a member of the hub's answer, {grants|grant} a count with its word ("3 grants"; of a
 * list, its length).
 */
#ifndef TUNNELCTL_SENTENCE_H
#define TUNNELCTL_SENTENCE_H

#include "tunnelctl/command.h"

void sentence_print(FILE *out, const char *sentence, const json_t *typed, const json_t *data);

#endif
