/* Text that a peer sent, made fit to be kept, shown and put into JSON. */
#ifndef PARENT_PEER_TEXT_H
#define PARENT_PEER_TEXT_H

#include <stddef.h>

/* Copies what fits of valid, printable UTF-8; everything else becomes '?'. */
void peer_text(char *to, size_t size, const char *from);
/* The same into kept_text.h's keeping, at most REASON_SIZE. */
void peer_text_keep(char **kept, const char *from);

#endif
