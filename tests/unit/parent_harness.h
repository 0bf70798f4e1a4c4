/*
 * A whole hub for tests, with the test in the place of its workers: the hub's worker process is
 * this program again, which hands its pipe to the test and waits.  So the test sees and says
 * every message, while store, sockets and control verbs are real.
 */
#ifndef TESTS_PARENT_HARNESS_H
#define TESTS_PARENT_HARNESS_H

#include <jansson.h>

#include "ipc/message.h"
#include "keys/public_key.h"

/* A grant with so many connections at most never refuses one here, but the hub judges, and accepts
 * itself what it would lend a worker otherwise (parent_lending.c). */
#define JUDGED_HERE 1000000

/* For main: the roles --hub and --worker.  Returns false when the tests are to be run. */
bool harness_role(int count, char **arguments, int *code);

/* Starts a hub; `settings` are lines of YAML beside those that the harness needs. */
void harness_start(const char *settings);
/* SIGTERM; the hub must end with exit code 0. */
void harness_stop(void);

/* The same state, a new hub. */
void harness_restart(void);

/* The next worker that the hub starts: its pipe, after HELLO was taken and READY was said. */
int worker_take(void);
void worker_say(int worker, const struct message *message);
/* The next message, which must be of this type; its descriptor is the caller's. */
const struct message *worker_hear(int worker, enum message_type type);
/* The same, past any number of another type. */
const struct message *worker_hear_past(int worker, enum message_type type, enum message_type other);
/* Nothing comes for a moment. */
void worker_hear_nothing(int worker);
/* The hub hung up. */
void worker_hear_end(int worker);

/* A control verb that must succeed / must be refused with these words; args in jansson's pack
 * format.  The data is the caller's. */
json_t *hub_call(const char *verb, const char *args, ...);
void hub_refuses(const char *words, const char *verb, const char *args, ...);
/* As hub_call, without the data. */
void hub_do(const char *verb, const char *args, ...);
/* A number of `status`. */
json_int_t hub_count(const char *name);
/* Waits until it is that. */
void hub_await_count(const char *name, json_int_t wanted);
/* Is there an event with this word in it? */
bool hub_has_event(const char *word);

/* A TCP connection to this port of 127.0.0.1; -1 when refused. */
int dial(int port);
/* The peer has closed or reset its side; waits, and closes ours. */
bool has_ended(int descriptor);
int hub_ssh_port(void);
/* A port that is free at the moment. */
int free_port(void);

struct public_key test_key(unsigned number);
/* Steps of a session, each with its answer checked. */
uint64_t session_open(int worker, int *peer);
enum verdict session_identify_as(int worker, uint64_t sid, const char *user,
                                 const struct public_key *key, bool proven);
enum verdict session_redeem(int worker, uint64_t sid, const struct public_key *key,
                            const char *token);
void session_up(int worker, uint64_t sid);
/* Without waiting for the answer. */
void session_ask_to_publish(int worker, uint64_t sid, const char *address, int port);
/* The text of a refusal is in the message. */
const struct message *session_publish(int worker, uint64_t sid, const char *address, int port);
void session_gone(int worker, uint64_t sid);
/* A command on a session channel, and a new key: the hub's answers. */
const struct message *session_query(int worker, uint64_t sid, const char *command);
const struct message *session_rotate(int worker, uint64_t sid, const struct public_key *key);
/* A site with this key enrolled and activated, and its session: up, following `forwards`. */
void site_make(const char *name);
void site_enrol(int worker, const char *name, const struct public_key *key);
uint64_t site_login(int worker, const char *name, const struct public_key *key);

#endif
