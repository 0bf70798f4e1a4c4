/*
 * A fault is one sentence for a person: what is wrong, where, and what to do.
 *
 * Every function that can fail because of what a person wrote or set up takes a `struct fault *`
 * and fills it before it returns a negative code.  Nothing here logs, prints or exits.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#define FAULT_TEXT_SIZE 768

struct fault {
    char text[FAULT_TEXT_SIZE]; /* one sentence, no newline; empty until something failed */
};

/* For functions whose negative return must not be lost. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Writes the sentence (cut at the buffer's end).  Returns -1 always, so that a caller can say
 * `return fault_set(fault, ...)`.  `fault` may be NULL: then only the -1 remains. */
int fault_set(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "where: " before the sentence that is already there.  Returns -1 always. */
int fault_prefix(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
