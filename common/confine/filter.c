/*
 * Which system calls a worker and the dialer keep (a list of what is allowed; for processes with a
 * list of what is refused there is refusals.c).  Memory that could be written never becomes
 * executable.  What is not kept fails with EPERM rather than killing, because a library may try and
 * do without.
 */
#define _GNU_SOURCE
#include "confine/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What every process of the hub needs. */
static const int common[] = {
    /* bytes and descriptors; fcntl and ioctl have rules of their own */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(close),
    SCMP_SYS(shutdown),
    SCMP_SYS(fstat),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    /* waiting */
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(futex),
    SCMP_SYS(restart_syscall),
    /* memory; mmap and mprotect have a rule of their own */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    /* time, randomness, who am I */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    /* signals to itself, and the end */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* What relaying needs besides: a worker can make no socket that listens, but it is lent some. */
static const int relaying[] = {
    SCMP_SYS(accept4),
};

/* What resolving and dialling needs besides. */
static const int dialling[] = {
    /* the Internet; `socket` has rules of its own */
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(sendmmsg),
    /* files to read; `openat` has a rule of its own */
    SCMP_SYS(stat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(lseek),
    SCMP_SYS(pread64),
    SCMP_SYS(uname),
    /* threads; `clone` has a rule of its own */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(clock_nanosleep),
};

/* Calls with many meanings, of which one argument chooses: among the others are some that have the
 * kernel send signals for this process (F_SETOWN, FIOSETOWN, SIOCSPGRP), or type into a terminal.
 */
struct choice {
    int call;
    unsigned argument;
    scmp_datum_t value;
};

static const struct choice common_choices[] = {
    {SCMP_SYS(fcntl), 1, F_GETFD}, {SCMP_SYS(fcntl), 1, F_SETFD},
    {SCMP_SYS(fcntl), 1, F_GETFL}, {SCMP_SYS(fcntl), 1, F_SETFL},
    {SCMP_SYS(fcntl), 1, F_DUPFD}, {SCMP_SYS(fcntl), 1, F_DUPFD_CLOEXEC},
    {SCMP_SYS(ioctl), 1, FIONBIO}, {SCMP_SYS(ioctl), 1, FIONREAD},
    {SCMP_SYS(ioctl), 1, FIOCLEX}, {SCMP_SYS(ioctl), 1, TCGETS},
};

/* The interface of a name server such as fe80::1%eth0; what addresses this machine has. */
static const struct choice dialling_choices[] = {
    {SCMP_SYS(ioctl), 1, SIOCGIFINDEX},
    {SCMP_SYS(ioctl), 1, SIOCGIFNAME},
    {SCMP_SYS(socket), 0, AF_INET},
    {SCMP_SYS(socket), 0, AF_INET6},
};

static int keep(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) < 0)
            return -1;
    }
    return 0;
}

/* The call, while the argument under the mask has this value. */
static int keep_if(scmp_filter_ctx filter, int call, unsigned argument, scmp_datum_t mask,
                   scmp_datum_t value)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                            SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

static int keep_choices(scmp_filter_ctx filter, const struct choice *choices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, choices[i].call, 1,
                             SCMP_CMP(choices[i].argument, SCMP_CMP_EQ, choices[i].value)) < 0)
            return -1;
    }
    return 0;
}

static int keep_common(scmp_filter_ctx filter)
{
    const unsigned protection = 2; /* the argument of mmap and mprotect */

    if (keep(filter, common, sizeof common / sizeof *common) < 0 ||
        keep_choices(filter, common_choices, sizeof common_choices / sizeof *common_choices) < 0 ||
        keep_if(filter, SCMP_SYS(mmap), protection, PROT_EXEC, 0) < 0 ||
        keep_if(filter, SCMP_SYS(mprotect), protection, PROT_EXEC, 0) < 0)
        return -1;
    /* abort(3) */
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                            SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

static int keep_dialling(scmp_filter_ctx filter)
{
    const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
    const scmp_datum_t thread = CLONE_VM | CLONE_THREAD;

    /* The flags of clone3 cannot be seen; without it the C library takes clone. */
    if (keep(filter, dialling, sizeof dialling / sizeof *dialling) < 0 ||
        keep_choices(filter, dialling_choices, sizeof dialling_choices / sizeof *dialling_choices) <
            0 ||
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                         SCMP_CMP(0, SCMP_CMP_EQ, AF_NETLINK),
                         SCMP_CMP(2, SCMP_CMP_EQ, NETLINK_ROUTE)) < 0 ||
        keep_if(filter, SCMP_SYS(openat), 2, writing, O_RDONLY) < 0 ||
        keep_if(filter, SCMP_SYS(mmap), 2, PROT_WRITE | PROT_EXEC, PROT_EXEC) < 0 ||
        keep_if(filter, SCMP_SYS(clone), 0, thread, thread) < 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) < 0)
        return -1;
    /* prlimit(2) of itself, asking only */
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                            SCMP_CMP(0, SCMP_CMP_EQ, 0), SCMP_CMP(2, SCMP_CMP_EQ, 0));
}

static int install(int (*more)(scmp_filter_ctx filter))
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int code = -1;

    if (!filter)
        return -1;
    if (keep_common(filter) == 0 && (!more || more(filter) == 0) && seccomp_load(filter) == 0)
        code = 0;
    seccomp_release(filter);
    return code;
}

static int keep_relaying(scmp_filter_ctx filter)
{
    return keep(filter, relaying, sizeof relaying / sizeof *relaying);
}

int filter_install_relaying(void)
{
    return install(keep_relaying);
}

int filter_install_dialling(void)
{
    return install(keep_dialling);
}
