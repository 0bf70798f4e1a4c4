/*
 * tunnelctl: asks a running hub over its control socket, and shows the answer.  Decides nothing
 * itself; everything it may do is in the tables of commands.
 */
#define _GNU_SOURCE
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "tunnelctl/help.h"
#include "tunnelctl/parse.h"
#include "tunnelctl/run.h"

/* Answers may hold a keyfile: nothing that jansson frees keeps its content. */
static void wipe_and_free(void *block)
{
    if (block)
        secret_wipe(block, malloc_usable_size(block));
    free(block);
}

static enum outcome act(struct invocation *invocation, struct fault *fault)
{
    if (invocation->help)
        return help_print(invocation, fault);
    if (invocation->version) {
        fprintf(invocation->out, "tunnelctl %s\n", TUNNEL_VERSION);
        return DONE;
    }
    return command_run(invocation, fault);
}

int main(int argc, char **argv)
{
    struct invocation invocation;
    struct fault fault = {0};
    json_set_alloc_funcs(malloc, wipe_and_free);
    enum outcome outcome = invocation_parse(argc, argv, &invocation, &fault);
    if (outcome == DONE)
        outcome = act(&invocation, &fault);
    const struct command *command = invocation.command;
    invocation_release(&invocation);
    if (fflush(stdout) != 0 && outcome == DONE) {
        outcome = REFUSED;
        fault_set(&fault, "cannot write to standard output");
    }
    if (*fault.text)
        fprintf(stderr, "tunnelctl: %s\n", fault.text);
    if (outcome == USAGE)
        fprintf(stderr, "Try 'tunnelctl help%s%s'.\n", command ? " " : "",
                command ? command->words : "");
    return (int)outcome;
}
