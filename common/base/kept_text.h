/*
 * Texts that are mostly empty or short, in structs of which there are many: a pointer to as much as
 * the text needs, NULL when it is empty.
 */
#ifndef BASE_KEPT_TEXT_H
#define BASE_KEPT_TEXT_H

/* Never NULL. */
const char *kept_text(const char *kept);
/* Keeps a copy instead of what was kept (which `text` may be).  Out of memory: nothing is kept. */
void kept_text_set(char **kept, const char *text);
void kept_text_drop(char **kept);

#endif
