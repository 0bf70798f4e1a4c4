/*
 * One token, many keys.  All wait at the prompt until each of them is there (or has failed), then
 * all answer at once.  Afterwards each tries to log in as the site.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "modes.h"

static struct {
    const struct hub *hub;
    const char *site, *token;
    unsigned count;
    pthread_mutex_t mutex;
    pthread_cond_t all_there;
    unsigned arrived, won, refused, broken, let_in; /* under the mutex */
} race = {.mutex = PTHREAD_MUTEX_INITIALIZER, .all_there = PTHREAD_COND_INITIALIZER};

static void add(unsigned *counter)
{
    pthread_mutex_lock(&race.mutex);
    ++*counter;
    pthread_mutex_unlock(&race.mutex);
}

static void arrive(void)
{
    pthread_mutex_lock(&race.mutex);
    if (++race.arrived >= race.count)
        pthread_cond_broadcast(&race.all_there);
    pthread_mutex_unlock(&race.mutex);
}

static void wait_for_all(void *subject)
{
    *(bool *)subject = true;
    arrive();
    pthread_mutex_lock(&race.mutex);
    while (race.arrived < race.count)
        pthread_cond_wait(&race.all_there, &race.mutex);
    pthread_mutex_unlock(&race.mutex);
}

static enum login_result redeem(const struct key *key, unsigned number)
{
    bool prompted = false;
    struct login login = {.at_prompt = wait_for_all, .subject = &prompted};
    enum login_result result = LOGIN_BROKEN;
    if (login_open(&login, race.hub, number))
        result = login_enrol(&login, key, race.token);
    login_close(&login);
    if (prompted)
        return result;
    arrive();
    return LOGIN_BROKEN;
}

static void visit(const struct key *key, unsigned number)
{
    struct login login = {.socket = -1};
    if (login_open(&login, race.hub, number) &&
        login_with_key(&login, race.site, key) == LOGIN_GRANTED)
        add(&race.let_in);
    login_close(&login);
}

static void *run(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    unsigned *const counters[] = {[LOGIN_GRANTED] = &race.won,
                                  [LOGIN_REFUSED] = &race.refused,
                                  [LOGIN_BROKEN] = &race.broken};
    struct key key;
    char source[32];
    if (!key_make(&key)) {
        arrive();
        add(&race.broken);
        return NULL;
    }
    enum login_result result = redeem(&key, number);
    add(counters[result]);
    source_of(number, source);
    if (result == LOGIN_GRANTED)
        say("winner %s %s", source, key.fingerprint);
    visit(&key, number);
    key_release(&key);
    return NULL;
}

int mode_redeem(const struct hub *hub, char **arguments)
{
    race.hub = hub;
    race.site = arguments[0];
    race.token = arguments[1];
    race.count = (unsigned)atoi(arguments[2]);
    bool all = run_threads(race.count, run);
    say("won=%u refused=%u broken=%u let_in=%u", race.won, race.refused, race.broken, race.let_in);
    return all ? 0 : 1;
}
