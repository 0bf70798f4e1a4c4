/*
 * tunneld: the hub.  This file reads the command line and nothing else; what runs is the parent
 * (parent/hub.h) or, in a process that the parent started, a worker (worker/worker.h) or the dialer
 * (dialer/dialer.h).
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "dialer/dialer.h"
#include "parent/hub.h"
#include "worker/worker.h"

#define EXIT_USAGE 2
#define WORKER_MAX 256

static const char usage[] =
    "Usage: tunneld [-c FILE] [--check] [-v...]\n"
    "The hub of reverse tunnels: sites dial in over SSH and publish ports that they were granted.\n"
    "\n"
    "  -c, --config FILE   settings (tunneld.yaml(5)); without it: a state directory of one's "
    "own,\n"
    "                      a fresh host key, port 2222\n"
    "      --check         validate the settings and exit, touching nothing\n"
    "  -v, --verbose       log more; twice: traces\n"
    "      --version       print the version and exit\n"
    "  -h, --help          print this and exit\n"
    "\n"
    "Commands are given with tunnelctl(1).\n";

enum { OPTION_CHECK = 256, OPTION_VERSION, OPTION_WORKER, OPTION_DIALER };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, 'h'},
    {"worker", required_argument, NULL, OPTION_WORKER}, /* the parent's ways to start one */
    {"dialer", no_argument, NULL, OPTION_DIALER},
    {NULL, 0, NULL, 0},
};

struct command_line {
    struct hub_options hub;
    bool check, version, help, dialer;
    uint64_t worker; /* 0: the parent */
};

static int wrong_usage(void)
{
    (void)fputs("Try 'tunneld --help'.\n", stderr);
    return EXIT_USAGE;
}

/* getopt_long has said what is wrong with an option. */
static int read_command_line(int count, char **arguments, struct command_line *line)
{
    int option;
    while ((option = getopt_long(count, arguments, "c:vh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            line->hub.settings_path = optarg;
            break;
        case 'v':
            line->hub.verbosity++;
            break;
        case 'h':
            line->help = true;
            break;
        case OPTION_CHECK:
            line->check = true;
            break;
        case OPTION_VERSION:
            line->version = true;
            break;
        case OPTION_DIALER:
            line->dialer = true;
            break;
        case OPTION_WORKER:
            if (text_parse_number(optarg, 1, WORKER_MAX, &line->worker))
                break;
            (void)fprintf(stderr, "tunneld: '%s' is no worker's number\n", optarg);
            return -1;
        default:
            return -1;
        }
    }
    if (optind == count)
        return 0;
    (void)fprintf(stderr, "tunneld: unexpected argument '%s'\n", arguments[optind]);
    return -1;
}

static int check_settings(const char *path)
{
    struct fault fault = {""};
    if (hub_check(path, &fault) == 0) {
        (void)printf("%s: ok\n", path ? path : "defaults");
        return EXIT_SUCCESS;
    }
    (void)fprintf(stderr, "tunneld: %s\n", fault.text);
    return EXIT_FAILURE;
}

static int run_hub(const struct hub_options *hub)
{
    struct fault fault = {""};
    if (hub_run(hub, &fault) == 0)
        return EXIT_SUCCESS;
    (void)fprintf(stderr, "tunneld: %s\n", fault.text);
    return EXIT_FAILURE;
}

int main(int count, char **arguments)
{
    struct command_line line = {0};
    if (read_command_line(count, arguments, &line) != 0)
        return wrong_usage();
    if (line.worker != 0)
        return worker_main((int)line.worker);
    if (line.dialer)
        return dialer_main();
    if (line.help || line.version) {
        (void)fputs(line.help ? usage : "tunneld " TUNNEL_VERSION "\n", stdout);
        return EXIT_SUCCESS;
    }
    if (line.check)
        return check_settings(line.hub.settings_path);
    return run_hub(&line.hub);
}
