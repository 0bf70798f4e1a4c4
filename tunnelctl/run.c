/*
 * Running a command as its table says: ask the person, ask the hub, show the answer.  Commands
 * that are more than that have a runner in their family's file.
 */
#define _GNU_SOURCE
#include "tunnelctl/run.h"

#include "tunnelctl/confirm.h"
#include "tunnelctl/hub.h"
#include "tunnelctl/output.h"
#include "tunnelctl/sentence.h"

void command_show(struct invocation *invocation, const json_t *data)
{
    const struct command *command = invocation->command;
    FILE *out = invocation->out;
    if (invocation->json) {
        output_json(out, data);
        return;
    }
    if (command->listing)
        output_table(out, command->listing, data);
    if (command->block)
        output_block(out, command->block, data);
    output_sections(out, command->sections, data);
    if (command->done) {
        sentence_print(out, command->done, invocation->typed, data);
        fputc('\n', out);
    }
}

enum outcome command_run(struct invocation *invocation, struct fault *fault)
{
    const struct command *command = invocation->command;
    json_t *data = NULL;
    if (command->question) {
        enum outcome outcome = confirm(invocation, fault);
        if (outcome != DONE)
            return outcome;
    }
    if (command->run)
        return command->run(invocation, fault);
    enum outcome outcome = hub_ask(invocation, command->verb, invocation->args, &data, fault);
    if (outcome == DONE)
        command_show(invocation, data);
    json_decref(data);
    return outcome;
}
