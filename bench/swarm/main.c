/*
 * swarm: many agents in one process.  Options, the file of sites, and the loop: one epoll set, one
 * look a tick at what is due.  What an agent does stands in agent.c.
 *
 * SIGUSR1 drops all sessions at once without goodbye; SIGINT and SIGTERM end it with a summary.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "swarm.h"

#define SITES_MAX 50000
#define EVENTS    256
#define TICK_MS   50

static volatile sig_atomic_t stopping, drop_all;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        drop_all = 1;
    else
        stopping = 1;
}

/* --- options and sites ------------------------------------------------------------------------ */

static int wrong_usage(void)
{
    (void)fputs(
        "usage: swarm --hub IPV4:PORT --sites FILE [--seed TEXT] [--seconds N] [--logins N]\n"
        "             [--drop N] [--one-source] [--until-published] [--json] [--user NAME]\n"
        "       swarm --show-key [--seed TEXT]\n"
        "  --sites   a site for each line: NAME TOKEN; the token is - for one that is enrolled\n"
        "  --seed    the sites' keys are made from it and their names\n"
        "  --logins  sessions are dropped once they have published, until there were so many\n"
        "  --drop    sessions a second that are dropped, at random\n"
        "  --user    not a hub but a stock sshd: all log in as NAME with the key that --show-key\n"
        "            prints, and publish any port\n",
        stderr);
    return 2;
}

static bool read_hub(struct options *options, char *text)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    options->address = text;
    options->port = atoi(colon + 1);
    return options->port > 0;
}

static bool read_options(struct options *options, int count, char **words)
{
    static const struct option known[] = {
        {"hub", 1, NULL, 'h'},     {"sites", 1, NULL, 's'},      {"seed", 1, NULL, 'k'},
        {"seconds", 1, NULL, 't'}, {"logins", 1, NULL, 'l'},     {"drop", 1, NULL, 'd'},
        {"json", 0, NULL, 'j'},    {"one-source", 0, NULL, 'o'}, {"until-published", 0, NULL, 'u'},
        {"user", 1, NULL, 'n'},    {"show-key", 0, NULL, 'w'},   {NULL, 0, NULL, 0}};
    int letter;
    bool good = true;
    *options = (struct options){.seed = "swarm"};
    while ((letter = getopt_long(count, words, "", known, NULL)) != -1) {
        switch (letter) {
        case 'h':
            good = good && read_hub(options, optarg);
            break;
        case 's':
            options->sites = optarg;
            break;
        case 'k':
            options->seed = optarg;
            break;
        case 't':
            options->seconds = strtoull(optarg, NULL, 10);
            break;
        case 'l':
            options->logins = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            options->drops = (unsigned)atoi(optarg);
            break;
        case 'j':
            options->json = true;
            break;
        case 'o':
            options->one_source = true;
            break;
        case 'u':
            options->until_published = true;
            break;
        case 'n':
            options->user = optarg;
            break;
        case 'w':
            options->show_key = true;
            break;
        default:
            return false;
        }
    }
    return good && optind == count &&
           (options->show_key || (options->address != NULL && options->sites != NULL));
}

static bool add_agent(struct swarm *swarm, const char *name, const char *token)
{
    struct agent *agent = &swarm->agents[swarm->count];
    char seed[2 * NAME_SIZE];
    *agent = (struct agent){.swarm = swarm, .number = swarm->count, .socket = -1};
    TAILQ_INIT(&agent->served);
    (void)snprintf(agent->name, sizeof agent->name, "%s", name);
    if (strcmp(token, "-") != 0)
        (void)snprintf(agent->token, sizeof agent->token, "%s", token);
    (void)snprintf(seed, sizeof seed, "%.60s/%s", swarm->options.seed,
                   swarm->options.user != NULL ? "" : name);
    if (!key_from_seed(&agent->key, seed))
        return false;
    agent->signing = &agent->key;
    /* As so many machines that were started by hand: not all at the same moment. */
    agent->due_ms = swarm->began_ms + retry_random() % (RETRY_FIRST_MS + 1);
    swarm->tally.waiting++;
    swarm->count++;
    return true;
}

static bool read_sites(struct swarm *swarm)
{
    char name[NAME_SIZE], token[TOKEN_SIZE];
    bool good = true;
    FILE *file = fopen(swarm->options.sites, "re");
    swarm->agents = calloc(SITES_MAX, sizeof *swarm->agents);
    if (file != NULL && swarm->agents != NULL)
        while (good && swarm->count < SITES_MAX &&
               fscanf(file, "%63s %127s%*[^\n]", name, token) == 2)
            good = add_agent(swarm, name, token);
    if (file != NULL)
        (void)fclose(file);
    if (good && swarm->count > 0)
        return true;
    (void)fprintf(stderr, "swarm: no sites can be read from %s\n", swarm->options.sites);
    return false;
}

/* As a line of authorized_keys. */
static int show_key(const struct options *options)
{
    char seed[2 * NAME_SIZE];
    unsigned char text[2 * KEY_BLOB_SIZE];
    struct key key;
    (void)snprintf(seed, sizeof seed, "%.60s/", options->seed);
    if (!key_from_seed(&key, seed))
        return 1;
    EVP_EncodeBlock(text, key.blob, KEY_BLOB_SIZE);
    (void)printf("ssh-ed25519 %s\n", (char *)text);
    key_release(&key);
    return 0;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Faults of the swarm's own making. */
static void drop_some(struct swarm *swarm, uint64_t ticks)
{
    unsigned a_second = 1000 / TICK_MS;
    unsigned now = swarm->options.drops / a_second +
                   (ticks % a_second < swarm->options.drops % a_second ? 1 : 0);
    for (; now > 0; now--) {
        struct agent *agent = &swarm->agents[retry_random() % swarm->count];
        if (agent->state == AGENT_UP)
            agent_drop(agent);
    }
}

static bool wants_more_logins(const struct swarm *swarm)
{
    return swarm->tally.logins < swarm->options.logins;
}

static void tick(struct swarm *swarm, uint64_t now_ms)
{
    bool all = drop_all != 0, again = wants_more_logins(swarm);
    drop_all = 0;
    for (unsigned i = 0; i < swarm->count; i++) {
        struct agent *agent = &swarm->agents[i];
        if (agent->state == AGENT_UP && (all || again))
            agent_drop(agent);
        if (agent->due_ms <= now_ms)
            agent_due(agent);
    }
}

static bool is_over(const struct swarm *swarm, uint64_t now_ms)
{
    const struct options *options = &swarm->options;
    bool enough = !wants_more_logins(swarm) && swarm->tally.up == swarm->count;
    return stopping != 0 ||
           (options->seconds > 0 && now_ms >= swarm->began_ms + 1000 * options->seconds) ||
           (options->until_published && enough);
}

static void run(struct swarm *swarm)
{
    struct epoll_event events[EVENTS];
    uint64_t ticked_ms = 0, said_ms = swarm->began_ms, ticks = 0;
    swarm->incomplete_ms = swarm->began_ms;
    for (;;) {
        int count = epoll_wait(swarm->epoll, events, EVENTS, TICK_MS);
        for (int i = 0; i < count; i++)
            agent_turn(events[i].data.ptr, events[i].events);
        uint64_t now_ms = clock_monotonic_ms();
        if (is_over(swarm, now_ms))
            return;
        if (now_ms - ticked_ms < TICK_MS)
            continue;
        ticked_ms = now_ms;
        drop_some(swarm, ticks++);
        tick(swarm, now_ms);
        if (now_ms - said_ms < 1000)
            continue;
        said_ms = now_ms;
        report_second(swarm);
    }
}

static void prepare_process(void)
{
    struct rlimit limit;
    const struct sigaction on = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGINT, &on, NULL);
    (void)sigaction(SIGTERM, &on, NULL);
    (void)sigaction(SIGUSR1, &on, NULL);
}

int main(int count, char **words)
{
    struct swarm swarm = {.began_ms = clock_monotonic_ms()};
    if (!read_options(&swarm.options, count, words))
        return wrong_usage();
    if (swarm.options.show_key)
        return show_key(&swarm.options);
    prepare_process();
    swarm.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (swarm.epoll < 0)
        return 1; /* cppcheck-suppress memleak; there is nothing to close */
    if (libssh2_init(0) != 0) {
        (void)close(swarm.epoll);
        return 1;
    }
    bool complete = read_sites(&swarm);
    if (complete) {
        run(&swarm);
        report_summary(&swarm);
        complete = swarm.tally.up == swarm.count;
    }
    for (unsigned i = 0; i < swarm.count; i++)
        agent_release(&swarm.agents[i]);
    free(swarm.agents);
    libssh2_exit();
    return complete ? 0 : 1;
}
