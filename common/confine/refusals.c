/*
 * Which system calls the agent and the hub's parent give up: a list of what is refused, because
 * both open files and sockets of their own, and a library may need more of those tomorrow.  (A
 * worker and the dialer have a list of what is allowed: filter.c.)  Of an argument that the kernel
 * takes as 32 bits only these are looked at, or others beside them would hide it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine/filter.h"

#define WORD 0xffffffffu

/* What nothing of ours ever does. */
static const int harmful[] = {
    /* other processes */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    /* the kernel */
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(syslog),
    SCMP_SYS(acct),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(personality),
    /* the machine's name, clock and mounts */
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    /* code from data */
    SCMP_SYS(memfd_create),
    SCMP_SYS(execveat),
};

/* What the running agent does not do either. */
static const int of_no_agent[] = {
    /* programs and children */
    SCMP_SYS(execve),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    /* signals that do not name their process first */
    SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_send_signal),
    /* becoming somebody else */
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    /* whose a file is, and who may read it, by its name: Landlock does not mind these */
    SCMP_SYS(chown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
};

/* The kernel sends signals for who asks it so, or types into a terminal. */
static const struct {
    int call;
    unsigned argument;
    scmp_datum_t value;
} roundabout[] = {
    {SCMP_SYS(fcntl), 1, F_SETOWN},        {SCMP_SYS(fcntl), 1, F_SETOWN_EX},
    {SCMP_SYS(fcntl), 1, F_SETSIG},        {SCMP_SYS(ioctl), 1, FIOSETOWN},
    {SCMP_SYS(ioctl), 1, SIOCSPGRP},       {SCMP_SYS(ioctl), 1, TIOCSTI},
    {SCMP_SYS(prctl), 0, PR_SET_DUMPABLE},
};

static int refuse(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0) < 0)
            return -1;
    }
    return 0;
}

/* The call, while the argument under the mask has this value. */
static int refuse_if(scmp_filter_ctx filter, int call, unsigned argument, scmp_datum_t mask,
                     scmp_datum_t value)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
                            SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

static int refuse_unless(scmp_filter_ctx filter, int call, scmp_datum_t first)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
                            SCMP_CMP(0, SCMP_CMP_NE, first));
}

static int refuse_harmful(scmp_filter_ctx filter)
{
    const scmp_datum_t both = PROT_WRITE | PROT_EXEC;

    if (refuse(filter, harmful, sizeof harmful / sizeof *harmful) < 0 ||
        refuse_if(filter, SCMP_SYS(mmap), 2, both, both) < 0)
        return -1;
    return refuse_if(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, PROT_EXEC);
}

static int refuse_families(scmp_filter_ctx filter)
{
    for (unsigned family = 0; family < AF_MAX; family++) {
        bool needed =
            family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
        if (!needed && refuse_if(filter, SCMP_SYS(socket), 0, WORD, family) < 0)
            return -1;
    }
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2,
                            SCMP_CMP(0, SCMP_CMP_MASKED_EQ, WORD, AF_NETLINK),
                            SCMP_CMP(2, SCMP_CMP_NE, NETLINK_ROUTE));
}

static int refuse_to_agent(scmp_filter_ctx filter)
{
    const scmp_datum_t self = (scmp_datum_t)getpid();

    for (size_t i = 0; i < sizeof roundabout / sizeof *roundabout; i++) {
        if (refuse_if(filter, roundabout[i].call, roundabout[i].argument, WORD,
                      roundabout[i].value) < 0)
            return -1;
    }
    /* The flags of clone3 cannot be seen; without it the C library takes clone. */
    if (refuse(filter, of_no_agent, sizeof of_no_agent / sizeof *of_no_agent) < 0 ||
        refuse_if(filter, SCMP_SYS(clone), 0, CLONE_THREAD, 0) < 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) < 0 ||
        refuse_unless(filter, SCMP_SYS(kill), self) < 0 ||
        refuse_unless(filter, SCMP_SYS(tgkill), self) < 0 ||
        refuse_unless(filter, SCMP_SYS(prlimit64), 0) < 0)
        return -1;
    return refuse_families(filter);
}

static int refuse_programs(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(execve), 0);
}

/* `more` may be NULL. */
static int install(int (*more)(scmp_filter_ctx filter))
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int code = -1;

    if (filter && refuse_harmful(filter) == 0 && (!more || more(filter) == 0) &&
        seccomp_load(filter) == 0)
        code = 0;
    seccomp_release(filter);
    return code;
}

int filter_install_harmless(void)
{
    return install(refuse_programs);
}

int filter_install_parent(void)
{
    return install(NULL);
}

int filter_install_agent(void)
{
    return install(refuse_to_agent);
}

void filter_refuse_io_uring(void)
{
    static const int calls[] = {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
                                SCMP_SYS(io_uring_register)};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool made = filter != NULL;

    for (size_t i = 0; made && i < sizeof calls / sizeof *calls; i++)
        made = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), calls[i], 0) == 0;
    /* Without seccomp there is no filter later either, and nothing to refuse. */
    if (made)
        (void)seccomp_load(filter);
    seccomp_release(filter);
}
