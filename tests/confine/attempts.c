/*
 * The attempts.  Each returns 0 when it got what it wanted, else the errno.  Where the kernel would
 * go on to complain about arguments, the permission was given: that is success here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probe.h"

#define PIPE_DESCRIPTOR 3 /* of a process of the hub */

static int outcome(long result)
{
    if (result >= 0 || errno == EINVAL || errno == EFAULT || errno == ENOTCONN ||
        errno == ECONNREFUSED || errno == EINPROGRESS || errno == ENOTSOCK || errno == EEXIST ||
        errno == EISDIR)
        return 0;
    return errno;
}

#define ATTEMPT(name, call)                                                                        \
    static int name(void)                                                                          \
    {                                                                                              \
        return outcome(call);                                                                      \
    }

/* --- files --- */

ATTEMPT(read_etc, open("/etc/hosts", O_RDONLY | O_CLOEXEC))
ATTEMPT(read_secret, open(probe_secret, O_RDONLY | O_CLOEXEC))
ATTEMPT(read_secret_openat2,
        syscall(SYS_openat2, AT_FDCWD, probe_secret, (uint64_t[3]){O_RDONLY, 0, 0}, 24))
ATTEMPT(write_file, open(probe_victim, O_WRONLY | O_APPEND | O_CLOEXEC))
ATTEMPT(create_file, open(probe_created, O_WRONLY | O_CREAT | O_CLOEXEC, 0600))
ATTEMPT(make_directory, mkdir(probe_created, 0700))
ATTEMPT(make_link, symlink("/etc", probe_created))
ATTEMPT(truncate_file, truncate(probe_victim, 0))
ATTEMPT(rename_file, rename(probe_victim, probe_created))

/* Where renaming it was possible it has its other name. */
static int remove_file(void)
{
    int code = outcome(unlink(probe_victim));
    return code == ENOENT ? outcome(unlink(probe_created)) : code;
}

ATTEMPT(list_directory, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
ATTEMPT(read_proc, open("/proc/self/maps", O_RDONLY | O_CLOEXEC))

static int open_of_parent(const char *name, int flags)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)probe_parent, name);
    return outcome(open(path, flags | O_CLOEXEC));
}

static int parent_memory_file(void)
{
    return open_of_parent("mem", O_RDWR);
}

static int parent_environment(void)
{
    return open_of_parent("environ", O_RDONLY);
}

/* --- programs --- */

static char program[] = "/bin/true";
static char *const arguments[] = {program, NULL}, *const environment[] = {NULL};

ATTEMPT(execute, execve(program, arguments, environment))
ATTEMPT(execute_at, syscall(SYS_execveat, AT_FDCWD, program, arguments, environment, 0))

static int execute_memory(void)
{
    static const char script[] = "#!/bin/true\n";
    int file = memfd_create("probe", 0);
    if (file < 0)
        return errno;
    if (write(file, script, sizeof script - 1) < 0)
        return errno;
    return outcome(syscall(SYS_execveat, file, "", arguments, environment, AT_EMPTY_PATH));
}

ATTEMPT(make_child, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0))

static int make_child_of_clone3(void)
{
    uint64_t request[8] = {0}; /* flags, ..., exit_signal */
    request[4] = SIGCHLD;
    long child = syscall(SYS_clone3, request, sizeof request);
    if (child == 0)
        _exit(0);
    return outcome(child);
}

/* --- sockets --- */

ATTEMPT(socket_inet, socket(AF_INET, SOCK_STREAM, 0))
ATTEMPT(socket_inet6, socket(AF_INET6, SOCK_STREAM, 0))
ATTEMPT(socket_udp, socket(AF_INET, SOCK_DGRAM, 0))
ATTEMPT(socket_unix, socket(AF_UNIX, SOCK_STREAM, 0))
ATTEMPT(socket_pair, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}))
ATTEMPT(socket_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(socket_netlink_uevent, socket(AF_NETLINK, SOCK_RAW, 15))
ATTEMPT(socket_packet, socket(AF_PACKET, SOCK_RAW, 0))
ATTEMPT(socket_raw, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))
ATTEMPT(socket_alg, socket(AF_ALG, SOCK_SEQPACKET, 0))
ATTEMPT(socket_vsock, socket(AF_VSOCK, SOCK_STREAM, 0))

/* One of its own, or where it cannot have one the pipe that it has. */
static int some_socket(void)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return made >= 0 ? made : PIPE_DESCRIPTOR;
}

static const struct sockaddr_in loopback = {
    .sin_family = AF_INET, .sin_addr = {0x0100007f}, .sin_port = 0x0100};
static const struct sockaddr_in any_port = {.sin_family = AF_INET, .sin_addr = {0x0100007f}};

ATTEMPT(bind_port, bind(some_socket(), (const struct sockaddr *)&any_port, sizeof any_port))
ATTEMPT(listen_on_port, listen(some_socket(), 1))
ATTEMPT(accept_one, accept4(some_socket(), NULL, NULL, SOCK_NONBLOCK))
ATTEMPT(connect_out, connect(some_socket(), (const struct sockaddr *)&loopback, sizeof loopback))

/* --- other processes --- */

ATTEMPT(trace_parent, ptrace(PTRACE_SEIZE, probe_parent, NULL, NULL))
ATTEMPT(trace_me, ptrace(PTRACE_TRACEME, 0, NULL, NULL))

static int memory_of(pid_t process, bool write_it)
{
    char byte = 0;
    struct iovec mine = {&byte, 1}, theirs = {&byte, 1};
    return outcome(write_it ? process_vm_writev(process, &mine, 1, &theirs, 1, 0)
                            : process_vm_readv(process, &mine, 1, &theirs, 1, 0));
}

static int read_parent_memory(void)
{
    return memory_of(probe_parent, false);
}

static int read_other_memory(void)
{
    return memory_of(probe_other, false);
}

static int write_parent_memory(void)
{
    return memory_of(probe_parent, true);
}

ATTEMPT(kill_parent, kill(probe_parent, 0))
ATTEMPT(kill_other, kill(probe_other, 0))
ATTEMPT(kill_all, kill(-1, 0))
ATTEMPT(tkill_other, syscall(SYS_tkill, probe_other, 0))
ATTEMPT(tgkill_parent, syscall(SYS_tgkill, probe_parent, probe_parent, 0))

static int queue_signal(void)
{
    siginfo_t info = {.si_signo = 0, .si_code = SI_QUEUE};
    return outcome(syscall(SYS_rt_sigqueueinfo, probe_parent, 0, &info));
}

static int signal_by_pidfd(void)
{
    long handle = syscall(SYS_pidfd_open, probe_parent, 0);
    if (handle < 0)
        return errno;
    return outcome(syscall(SYS_pidfd_send_signal, handle, 0, NULL, 0));
}

static int steal_descriptor(void)
{
    long handle = syscall(SYS_pidfd_open, probe_parent, 0);
    return outcome(syscall(SYS_pidfd_getfd, handle >= 0 ? handle : PIPE_DESCRIPTOR, 0, 0));
}

/* The kernel shall send a signal of our choice, once something can be read. */
ATTEMPT(signal_by_owner, fcntl(some_socket(), F_SETOWN, probe_other))
ATTEMPT(signal_by_choice, fcntl(some_socket(), F_SETSIG, SIGKILL))

static int signal_by_ioctl(void)
{
    int owner = probe_other;
    int code = outcome(ioctl(some_socket(), FIOSETOWN, &owner));
    return code == 0 ? 0 : outcome(ioctl(some_socket(), SIOCSPGRP, &owner));
}

ATTEMPT(limit_parent, prlimit(probe_parent, RLIMIT_NOFILE, NULL, &(struct rlimit){0, 0}))
ATTEMPT(limit_other, prlimit(probe_other, RLIMIT_NOFILE, NULL, &(struct rlimit){0, 0}))
ATTEMPT(compare_parent, syscall(SYS_kcmp, probe_parent, getpid(), 0, 0, 0))

/* --- rights --- */

/* Nobody is forbidden to stay who he is: what is wanted is to be root. */
ATTEMPT(become_root, setresuid(0, 0, 0))
ATTEMPT(become_root_group, setresgid(0, 0, 0))
ATTEMPT(join_groups, setgroups(1, (gid_t[1]){0}))

static int regain_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{1u << CAP_SYS_ADMIN, 1u << CAP_SYS_ADMIN, 0}};
    return outcome(syscall(SYS_capset, &header, sets));
}

ATTEMPT(allow_dumps, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
ATTEMPT(own_core, setrlimit(RLIMIT_CORE, &(const struct rlimit){RLIM_INFINITY, RLIM_INFINITY}))
ATTEMPT(change_personality, syscall(SYS_personality, ADDR_NO_RANDOMIZE))

/* --- the kernel --- */

ATTEMPT(new_namespace, unshare(CLONE_NEWUSER | CLONE_NEWNET))

static int mount_something(void)
{
    (void)unshare(CLONE_NEWNS); /* where it can, it harms nobody */
    return outcome(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

ATTEMPT(change_root, chroot("/"))
ATTEMPT(enter_namespace, setns(PIPE_DESCRIPTOR, 0))
ATTEMPT(load_module, syscall(SYS_init_module, NULL, 0, ""))
ATTEMPT(use_bpf, syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, NULL, sizeof(union bpf_attr)))
ATTEMPT(use_io_uring, syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(use_userfaultfd, syscall(SYS_userfaultfd, O_CLOEXEC))
ATTEMPT(use_keys, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0))
ATTEMPT(read_kernel_log, syscall(SYS_syslog, 10, NULL, 0))
ATTEMPT(watch_performance, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))

/* --- code from data --- */

static int map_or(int protection)
{
    void *at = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

static int writable_code(void)
{
    return map_or(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int data_to_code(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? 0 : outcome(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

#define ROW(name)                                                                                  \
    {                                                                                              \
#name, name                                                                                \
    }

const struct attempt attempts[] = {
    ROW(read_etc),
    ROW(read_secret),
    ROW(read_secret_openat2),
    ROW(write_file),
    ROW(truncate_file),
    ROW(rename_file),
    ROW(remove_file),
    ROW(make_directory),
    ROW(make_link),
    ROW(create_file),
    ROW(list_directory),
    ROW(read_proc),
    ROW(parent_memory_file),
    ROW(parent_environment),
    ROW(make_child),
    ROW(make_child_of_clone3),
    ROW(socket_inet),
    ROW(socket_inet6),
    ROW(socket_udp),
    ROW(socket_unix),
    ROW(socket_pair),
    ROW(socket_netlink),
    ROW(socket_netlink_uevent),
    ROW(socket_packet),
    ROW(socket_raw),
    ROW(socket_alg),
    ROW(socket_vsock),
    ROW(bind_port),
    ROW(listen_on_port),
    ROW(accept_one),
    ROW(connect_out),
    ROW(trace_parent),
    ROW(trace_me),
    ROW(read_parent_memory),
    ROW(read_other_memory),
    ROW(write_parent_memory),
    ROW(kill_parent),
    ROW(kill_other),
    ROW(kill_all),
    ROW(tkill_other),
    ROW(tgkill_parent),
    ROW(queue_signal),
    ROW(signal_by_pidfd),
    ROW(steal_descriptor),
    ROW(signal_by_owner),
    ROW(signal_by_choice),
    ROW(signal_by_ioctl),
    ROW(limit_parent),
    ROW(limit_other),
    ROW(compare_parent),
    ROW(become_root),
    ROW(become_root_group),
    ROW(join_groups),
    ROW(regain_capabilities),
    ROW(allow_dumps),
    ROW(own_core),
    ROW(change_personality),
    ROW(new_namespace),
    ROW(mount_something),
    ROW(change_root),
    ROW(enter_namespace),
    ROW(load_module),
    ROW(use_bpf),
    ROW(use_io_uring),
    ROW(use_userfaultfd),
    ROW(use_keys),
    ROW(read_kernel_log),
    ROW(watch_performance),
    ROW(writable_code),
    ROW(data_to_code),
    /* Last: what succeeds here is not the same process any more. */
    ROW(execute),
    ROW(execute_at),
    ROW(execute_memory),
};
const size_t attempt_count = sizeof attempts / sizeof *attempts;
