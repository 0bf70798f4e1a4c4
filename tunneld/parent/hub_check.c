/* `tunneld --check`: everything that can be said about the settings without touching anything. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parent/hub.h"

static int check_state_dir(const struct hub_settings *settings, struct fault *fault)
{
    char path[HUB_PATH_SIZE];
    if (!text_copy(path, sizeof path, settings->state_dir))
        return fault_set(fault, "setting 'state_dir' is too long");
    if (path[0] == '\0' && default_state_dir("tunneld", path, sizeof path, fault) != 0)
        return -1;
    struct stat status;
    if (stat(path, &status) != 0) {
        if (errno == ENOENT)
            return 0; /* it will be made */
        return fault_set(fault, "state_dir %s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode))
        return fault_set(fault, "state_dir %s is no directory", path);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fault_set(fault, "state_dir %s can be written by others: chmod 700 %s", path, path);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return fault_set(fault, "state_dir %s cannot be used by this user: %s", path,
                         strerror(errno));
    return 0;
}

/* The default user need not be there: workers then find another way to give up root. */
static bool names_other_user(const struct hub_settings *settings)
{
    struct hub_settings defaults = {0};
    if (settings->user[0] == '\0' || hub_settings_load(NULL, &defaults, NULL) != 0)
        return false;
    bool other = strcmp(settings->user, defaults.user) != 0;
    hub_settings_release(&defaults);
    return other;
}

static int check_names(const struct hub_settings *settings, struct fault *fault)
{
    if (settings->control_group[0] != '\0' && !getgrnam(settings->control_group))
        return fault_set(fault, "setting 'control_group': there is no group '%s' on this machine",
                         settings->control_group);
    if (geteuid() == 0 && names_other_user(settings) && !getpwnam(settings->user))
        return fault_set(fault, "setting 'user': there is no user '%s' on this machine",
                         settings->user);
    if (settings->listen.count == 0)
        return fault_set(fault, "setting 'listen' is empty: name at least one ADDRESS:PORT");
    return 0;
}

int hub_check(const char *settings_path, struct fault *fault)
{
    struct hub_settings settings = {0};
    if (hub_settings_load(settings_path, &settings, fault) != 0)
        return -1;
    int rc = check_names(&settings, fault);
    if (rc == 0)
        rc = check_state_dir(&settings, fault);
    hub_settings_release(&settings);
    if (rc != 0 && settings_path)
        return fault_prefix(fault, "%s", settings_path);
    return rc;
}
