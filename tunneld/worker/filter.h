/*
 * The system calls that a worker keeps.
 */
#ifndef WORKER_FILTER_H
#define WORKER_FILTER_H

/* To be called before libuv makes a loop: newer ones would set up an io_uring for it, whose use the
 * filter below must refuse, because it goes past every rule about system calls. */
void filter_refuse_io_uring(void);

/* From now on every other system call fails with EPERM: no file is opened, no socket made, no
 * program executed, no process traced or signalled.  -1: this kernel has no seccomp filters, and
 * nothing has changed. */
int filter_install(void);

#endif
