/*
 * Which files a process may still open (Linux's Landlock).
 */
#ifndef CONFINE_LANDLOCK_H
#define CONFINE_LANDLOCK_H

/* From now on this process and its threads open files and directories only beneath `paths`
 * (NULL-terminated; those that are not there are left out), and only to read them.  To be called
 * before there are threads, with no_new_privs set.  -1: this kernel has no Landlock, and nothing
 * has changed. */
int landlock_read_only(const char *const *paths);

#endif
