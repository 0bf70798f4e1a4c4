/*
 * Which program of this machine listens on a port, from /proc.  For a person who asked for that
 * port; too slow for anything that a peer can cause.
 */
#ifndef PARENT_PORT_HOLDER_H
#define PARENT_PORT_HOLDER_H

#include <stdbool.h>
#include <stdint.h>

#define PORT_HOLDER_SIZE 64

/* "nginx (pid 812)", or "another program on this machine" where its owner hides it.  False: nobody
 * is seen there.  `address` is a canonical literal. */
bool port_holder(const char *address, uint16_t port, char text[PORT_HOLDER_SIZE]);

#endif
