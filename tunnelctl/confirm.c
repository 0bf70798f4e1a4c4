/* Asks the command's question on a terminal.  Where there is none, only --yes is an answer. */
#define _GNU_SOURCE
#include "tunnelctl/confirm.h"

#include <string.h>
#include <unistd.h>

#include "tunnelctl/hub.h"
#include "tunnelctl/sentence.h"

static enum outcome ask(struct invocation *invocation, const char *question, const json_t *data,
                        struct fault *fault)
{
    char answer[16] = "";
    sentence_print(invocation->error, question, invocation->typed, data);
    fputs(" [y/N] ", invocation->error);
    fflush(invocation->error);
    if (!fgets(answer, sizeof(answer), invocation->in))
        fputc('\n', invocation->error);
    answer[strcspn(answer, "\n")] = '\0';
    if (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0)
        return DONE;
    fault_set(fault, "nothing was changed");
    return REFUSED;
}

static bool can_ask(const struct invocation *invocation, struct fault *fault)
{
    if (isatty(fileno(invocation->in)))
        return true;
    fault_set(fault, "'%s' asks before it destroys, and there is no terminal to ask on; add --yes",
              invocation->command->words);
    return false;
}

enum outcome confirm_question(struct invocation *invocation, const char *question,
                              const json_t *data, struct fault *fault)
{
    if (invocation->yes)
        return DONE;
    return can_ask(invocation, fault) ? ask(invocation, question, data, fault) : REFUSED;
}

enum outcome confirm(struct invocation *invocation, struct fault *fault)
{
    const struct command *command = invocation->command;
    json_t *data = NULL;
    if (invocation->yes)
        return DONE;
    if (!can_ask(invocation, fault))
        return REFUSED;
    enum outcome outcome = DONE;
    if (command->question_verb)
        outcome = hub_ask(invocation, command->question_verb, invocation->args, &data, fault);
    if (outcome == DONE)
        outcome = ask(invocation, command->question, data, fault);
    json_decref(data);
    return outcome;
}
