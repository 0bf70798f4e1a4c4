/* Writers of single values for tables and blocks. */
#ifndef TUNNELCTL_CELL_H
#define TUNNELCTL_CELL_H

#include "tunnelctl/command.h"

#define CELL_SIZE 1024

cell_writer cell_text;  /* any value; lists joined by commas */
cell_writer cell_bytes; /* "1.4 MiB" */
cell_writer cell_age;   /* seconds: "4m" */
cell_writer cell_ago;   /* a time of the past: "4m ago" */
cell_writer cell_until; /* a time, and how far: "2026-01-31T12:00:00Z (in 3d)" */
cell_writer cell_ms;    /* "12 ms" */

/* "-" for null, else what the writer says. */
void cell_write(cell_writer *write, const json_t *value, char text[CELL_SIZE]);

#endif
