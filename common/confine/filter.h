/*
 * The system calls that a process keeps (libseccomp).
 */
#ifndef CONFINE_FILTER_H
#define CONFINE_FILTER_H

/* To be called before libuv makes a loop: newer ones would set up an io_uring for it, whose use the
 * filter below must refuse, because it goes past every rule about system calls. */
void filter_refuse_io_uring(void);

/* From now on every other system call (or, for the last three, those that they name) fails with
 * EPERM.  -1: this kernel has no seccomp filters, and nothing has changed. */

/* Bytes over descriptors that it was given: no file is opened, no socket made, no program executed,
 * no process traced or signalled. */
int filter_install_relaying(void);
/* The same, and what resolving names and dialling takes: threads, sockets of the Internet, files
 * opened to be read, code mapped from them (modules of the name service).  No program is executed,
 * nothing is written that was not open before, no local socket is reached. */
int filter_install_dialling(void);
/* Everything but what only an intruder would do: executing programs, tracing, reading another's
 * memory, changing the kernel, mounts or namespaces, code that was written to. */
int filter_install_harmless(void);
/* The same, but that it may execute programs (its workers). */
int filter_install_parent(void);
/* As harmless, and no children, no signals to others by any way, no other user, no other sockets
 * than local ones, the Internet's and netlink's. */
int filter_install_agent(void);

#endif
