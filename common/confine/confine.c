/*
 * Confinement of a worker or the dialer: another user, no way to gain privileges, no core dumps, no
 * tracing, no children, and only the files and system calls that its work needs.  A sanitized build
 * leaves out all but the first three: its leak check traces the process itself.  The agent, which
 * needs sockets and files of its own, gives up only what nothing of ours ever needs.
 */
#define _GNU_SOURCE
#include "confine/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/filter.h"
#include "confine/landlock.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

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

/* A change of user has done it; one who was not root may have been given some
 * (AmbientCapabilities). */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return (int)syscall(SYS_capset, &header, none);
}

static int give_up_rights(const struct confinement *confinement, struct fault *fault)
{
    const char *who = confinement->who;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fault_set(fault, "%s cannot set no_new_privs: %s", who, strerror(errno));
    if (drop_capabilities() < 0)
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
    bool landlock = confinement->readable && landlock_read_only(confinement->readable) == 0;
    bool filter = confinement->install_filter() == 0;

    (void)snprintf(text, size, "%s%s%s%s", filter || !confinement->threads ? ", no children" : "",
                   ", not dumpable", landlock ? ", landlock" : "",
                   filter ? ", seccomp" : ", no seccomp in this kernel");
}

int confine(const struct confinement *confinement, const char *user, char *text, size_t size,
            struct fault *fault)
{
    char calls[128] = "";
    size_t used;

    raise_descriptor_limit();
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

void confine_lightly(void)
{
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!SANITIZED)
        (void)filter_install_harmless();
}
