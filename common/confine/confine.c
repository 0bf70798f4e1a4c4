/*
 * Confinement of a worker or the dialer: another user, no way to gain privileges, no core dumps, no
 * tracing, no children, and only the files and system calls that its work needs.  A sanitized build
 * leaves out all but the first three: its leak check traces the process itself.  The agent and the
 * hub's parent, which need sockets and files of their own, give up what they never need.
 */
#define _GNU_SOURCE
#include "confine/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/filter.h"
#include "confine/landlock.h"

#ifdef TUNNEL_CONFINE_PROBES
#include "probe.h" /* tests/confine; never in what is installed */
#define LEFT_ALONE() probe_prepare()
#else
#define LEFT_ALONE() false
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(TUNNEL_VALGRIND)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

const char *const confine_resolver_files[] = {
    "/etc",
    "/etc/resolv.conf", /* a link to somewhere else, perhaps */
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/dev/urandom",
    NULL,
};

static int change_user(const char *who, const char *user, char *text, size_t size,
                       struct fault *fault)
{
    const struct passwd *account;

    if (geteuid() != 0) {
        (void)snprintf(text, size, "same user as the hub (uid %u)", (unsigned)geteuid());
        return 0;
    }
    account = user[0] != '\0' ? getpwnam(user) : NULL;
    if (!account || account->pw_uid == 0)
        account = getpwnam("nobody");
    if (!account || account->pw_uid == 0)
        return fault_set(fault, "%s started as root found neither user '%s' nor 'nobody'", who,
                         user);
    if (setgroups(0, NULL) < 0 ||
        setresgid(account->pw_gid, account->pw_gid, account->pw_gid) < 0 ||
        setresuid(account->pw_uid, account->pw_uid, account->pw_uid) < 0)
        return fault_set(fault, "%s cannot become user '%s': %s", who, account->pw_name,
                         strerror(errno));
    (void)snprintf(text, size, "user %s", account->pw_name);
    return 0;
}

static int set_limit(int resource, rlim_t value)
{
    const struct rlimit limit = {value, value};

    return setrlimit((__rlimit_resource_t)resource, &limit);
}

/* Each session, connection and dial has a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

#define BIT(capability) (1ull << (capability))

/* Of those that it has.  A process without CAP_SETPCAP cannot shrink its bounding set; with
 * no_new_privs nothing brings back what is in it. */
static int keep_capabilities(uint64_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &header, sets) < 0)
        return -1;
    for (unsigned i = 0; i <= CAP_LAST_CAP; i++) {
        if ((kept & BIT(i)) == 0)
            (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    }
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        sets[i].permitted &= (uint32_t)(kept >> (32 * i));
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0; /* with it the ambient ones go */
    }
    return (int)syscall(SYS_capset, &header, sets);
}

static int give_up_rights(const struct confinement *confinement, struct fault *fault)
{
    const char *who = confinement->who;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fault_set(fault, "%s cannot set no_new_privs: %s", who, strerror(errno));
    if (keep_capabilities(0) < 0)
        return fault_set(fault, "%s cannot drop its capabilities: %s", who, strerror(errno));
    if (chdir("/") < 0)
        return fault_set(fault, "%s cannot change to /: %s", who, strerror(errno));
    if (set_limit(RLIMIT_CORE, 0) < 0)
        return fault_set(fault, "%s cannot forbid core dumps: %s", who, strerror(errno));
    if (SANITIZED)
        return 0;
    /* The limit counts threads too; then the filter alone forbids children. */
    if (!confinement->threads && set_limit(RLIMIT_NPROC, 0) < 0)
        return fault_set(fault, "%s cannot forbid children: %s", who, strerror(errno));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fault_set(fault, "%s cannot forbid tracing: %s", who, strerror(errno));
    return 0;
}

/* What the kernel has of it. */
static void restrict_calls(const struct confinement *confinement, char *text, size_t size)
{
    bool landlock = landlock_restrict(&confinement->needs) == 0;
    bool filter = confinement->install_filter() == 0;

    (void)snprintf(text, size, "%s%s%s%s", filter || !confinement->threads ? ", no children" : "",
                   ", not dumpable", landlock ? ", landlock" : ", no landlock in this kernel",
                   filter ? ", seccomp" : ", no seccomp in this kernel");
}

int confine(const struct confinement *confinement, const char *user, char *text, size_t size,
            struct fault *fault)
{
    char calls[128] = "";
    size_t used;

    raise_descriptor_limit();
    if (LEFT_ALONE()) {
        (void)snprintf(text, size, "unconfined");
        return 0;
    }
    if (change_user(confinement->who, user, text, size, fault) < 0 ||
        give_up_rights(confinement, fault) < 0)
        return -1;
    /* A change of user clears it. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (!SANITIZED)
        restrict_calls(confinement, calls, sizeof calls);
    used = strlen(text);
    (void)snprintf(text + used, size - used, ", no_new_privs%s",
                   SANITIZED ? ", sanitized build" : calls);
    return 0;
}

static bool is_another_s(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && info.st_uid != geteuid();
}

/* Low ports; starting, naming and ending workers of another user; the control socket's group; who
 * holds a port, and what a worker has open. */
static uint64_t parent_capabilities(const char *state_dir)
{
    uint64_t kept = BIT(CAP_NET_BIND_SERVICE);

    if (geteuid() != 0)
        return kept;
    kept |=
        BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL) | BIT(CAP_CHOWN) | BIT(CAP_SYS_PTRACE);
    return kept | (is_another_s(state_dir) ? BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) : 0);
}

static void describe(char *text, size_t size, bool capabilities, const char *files, bool filter)
{
    (void)snprintf(text, size, "no_new_privs%s%s%s", capabilities ? ", capabilities dropped" : "",
                   files, filter ? ", seccomp" : ", no seccomp in this kernel");
}

void confine_parent(const char *state_dir, char *text, size_t size)
{
    bool capabilities;

    if (LEFT_ALONE()) {
        (void)snprintf(text, size, "unconfined");
        return;
    }
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    capabilities = keep_capabilities(parent_capabilities(state_dir)) == 0;
    if (SANITIZED)
        (void)snprintf(text, size, "no_new_privs%s, sanitized build",
                       capabilities ? ", capabilities dropped" : "");
    else
        describe(text, size, capabilities, "", filter_install_parent() == 0);
}

void confine_lightly(void)
{
    if (LEFT_ALONE())
        return;
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    filter_refuse_io_uring();
    if (!SANITIZED)
        (void)filter_install_harmless();
}

void confine_agent(const char *state_dir, char *text, size_t size)
{
    const struct landlock_needs needs = {
        .readable = confine_resolver_files, .writable = state_dir, true, true};
    uint64_t kept = BIT(CAP_NET_BIND_SERVICE);
    bool capabilities, landlock;

    if (LEFT_ALONE()) {
        (void)snprintf(text, size, "unconfined");
        return;
    }
    if (is_another_s(state_dir))
        kept |= BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER);
    capabilities = keep_capabilities(kept) == 0;
    if (SANITIZED) {
        (void)snprintf(text, size, "no_new_privs, sanitized build");
        return;
    }
    landlock = landlock_restrict(&needs) == 0;
    describe(text, size, capabilities, landlock ? ", landlock" : ", no landlock in this kernel",
             filter_install_agent() == 0);
}
