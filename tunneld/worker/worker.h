/*
 * A worker process: speaks SSH with many peers, relays bytes, decides nothing.
 * Descriptor 3 is its pipe to the parent; EOF there ends it.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

/* Runs until drained or orphaned.  Returns the process's exit code. */
int worker_main(int number);

/* Makes an Ed25519 key pair: the private part as OpenSSH PEM (0600) at `path`, the public line at
 * `path`.pub.  Refuses to replace either.  Used by the parent before it listens. */
struct fault;
int host_key_generate(const char *path, struct fault *fault);

/* The public part of a private key, "TYPE BASE64"; `line` holds HOST_KEY_LINE_SIZE. */
#define HOST_KEY_LINE_SIZE 4096
int host_key_public(const char *pem, char *line, struct fault *fault);

#endif
