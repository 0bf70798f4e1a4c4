/*
 * A worker process with a test in its parent's place: the test gives verdicts by a table, records
 * what the worker says, accepts on a loopback port for it, and runs stock `ssh` against that.
 */
#ifndef TESTS_WORKER_RIG_H
#define TESTS_WORKER_RIG_H

#include <sys/types.h>
#include <uv.h>

#include "ipc/message.h"
#include "ipc/pipe.h"

#define RIG_HEARD_MAX 512
#define RIG_PATH_SIZE 256
#define RIG_KEY_SIZE  64

/* A message as it was heard; blobs as text. */
struct heard {
    enum message_type type;
    uint64_t sid, cid, port, code, flags, generation, bytes_in, bytes_out;
    char user[MESSAGE_TEXT_SIZE], address[MESSAGE_TEXT_SIZE], text[MESSAGE_TEXT_SIZE];
    uint8_t key[RIG_KEY_SIZE]; /* its beginning */
    size_t key_length;
};

struct rig {
    uv_loop_t loop;
    struct pipe *pipe;
    char directory[RIG_PATH_SIZE];
    int listener, port;
    pid_t worker;
    uint64_t last_sid;
    bool worker_gone; /* the pipe broke */

    /* what the parent answers; the test may change them */
    enum verdict identify, redeem, publish, query;
    const char *query_data, *refusal;
    uint16_t bound_port;
    uint64_t rotate_request; /* of the last ROTATE, which rig_answer_rotate answers */
    uint64_t open_request;   /* the same of the last OPEN */

    struct heard heard[RIG_HEARD_MAX];
    size_t heard_count;
};

/* `settings`: JSON beside what every rig has. */
void rig_open(struct rig *rig, const char *settings);
void rig_close(struct rig *rig);

/* Runs the loop until such a message was heard that no earlier call returned; fails the test after
 * 10 s. */
struct heard *rig_wait(struct rig *rig, enum message_type type);
bool rig_has(const struct rig *rig, enum message_type type);
void rig_answer_rotate(struct rig *rig, enum verdict verdict);
void rig_answer_open(struct rig *rig, enum verdict verdict);
/* Runs the loop for so long. */
void rig_run(struct rig *rig, unsigned ms);

/* Starts `ssh OPTIONS... USER@127.0.0.1 COMMAND...` with the rig's key; arguments are shell words.
 * Output goes to DIRECTORY/out and DIRECTORY/err. */
pid_t rig_ssh(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits for a process and returns its exit code. */
int rig_wait_exit(struct rig *rig, pid_t process);
/* What DIRECTORY/NAME holds. */
const char *rig_read(struct rig *rig, const char *name);

#endif
