/*
 * tunnel-agent: the program at a site.  A table of commands, and what every one of them needs
 * beforehand.
 */
#define _GNU_SOURCE
#include <libssh/libssh.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "base/log.h"
#include "base/secret.h"
#include "check.h"
#include "confine/confine.h"
#include "enrol.h"
#include "options.h"

static const struct command COMMANDS[] = {
    {"enrol", OPTION_STATE | OPTION_VERBOSE | OPTION_YES, true, command_enrol},
    {"run", OPTION_STATE | OPTION_VERBOSE | OPTION_KEYFILE, false, command_run},
    {"check", OPTION_STATE | OPTION_VERBOSE | OPTION_JSON | OPTION_BARE, true, command_check},
    {"status", OPTION_STATE | OPTION_VERBOSE | OPTION_JSON, false, command_status},
};

static const char USAGE[] =
    "usage: tunnel-agent enrol [--yes] [--state DIR] [-v...] KEYFILE\n"
    "       tunnel-agent run [--keyfile FILE] [--state DIR] [-v...]\n"
    "       tunnel-agent check [--json] [--state DIR] [KEYFILE]\n"
    "       tunnel-agent status [--json] [--state DIR]\n"
    "       tunnel-agent --version | --help\n"
    "\n"
    "enrol   make this machine a site of the hub that the keyfile names\n"
    "run     connect to the hub and publish the site's forwards, until SIGTERM\n"
    "check   look at every link of the chain to the hub and the targets; changes nothing\n"
    "status  what the running agent does\n";

/* The site's key and the token are in memory: no core dumps, no debuggers, private files;
 * and whoever took over the process shall start no other program with them. */
static void keep_secrets(void)
{
    umask(077);
    secret_forbid_dumps();
    confine_lightly();
    (void)signal(SIGPIPE, SIG_IGN);
}

static int run(const struct command *command, const struct options *options, struct fault *fault)
{
    keep_secrets();
    log_open("tunnel-agent", LOG_INFO, LOG_TEXT);
    if (ssh_init() != SSH_OK) {
        fault_set(fault, "libssh cannot be initialised");
        return EXIT_REFUSED;
    }
    int code = command->run(options, fault);
    ssh_finalize();
    return code;
}

int main(int argc, char **argv)
{
    const struct command *command = NULL;
    struct options options;
    struct fault fault = {0};
    switch (options_parse(argc, argv, COMMANDS, sizeof COMMANDS / sizeof COMMANDS[0], &command,
                          &options, &fault)) {
    case OPTIONS_HELP:
        fputs(USAGE, stdout);
        return EXIT_DONE;
    case OPTIONS_VERSION:
        puts("tunnel-agent " TUNNEL_VERSION);
        return EXIT_DONE;
    case OPTIONS_WRONG:
        fprintf(stderr, "tunnel-agent: %s\n%s", fault.text, USAGE);
        return EXIT_USAGE;
    case OPTIONS_COMMAND:
        break;
    }
    int code = run(command, &options, &fault);
    if ((code & EXIT_AT_ONCE) != 0)
        _exit(code & ~EXIT_AT_ONCE);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        code = EXIT_REFUSED;
        fault_set(&fault, "cannot write to standard output");
    }
    if (code != EXIT_DONE)
        fprintf(stderr, "tunnel-agent: %s\n", fault.text);
    return code;
}
