/*
 * The scripts by which shells complete command lines: each asks `tunnelctl complete`, which knows
 * the tables of commands.  Nothing of a command is known here.
 */
#define _GNU_SOURCE
#include <string.h>

#include "tunnelctl/families.h"

static const char bash_script[] =
    "# Completion of tunnelctl(1) for bash, printed by `tunnelctl completion bash`.\n"
    "_tunnelctl() {\n"
    "    local words line values=() files=no typed=${COMP_LINE:0:COMP_POINT}\n"
    "    # Not COMP_WORDS: it is split at colons and equals signs, too.\n"
    "    read -ra words <<<\"$typed\"\n"
    "    case $typed in *[[:space:]]) words+=('') ;; esac\n"
    "    local word=${words[${#words[@]} - 1]}\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :file) files=yes ;;\n"
    "        *) values+=(\"${line%%$'\\t'*}\") ;;\n"
    "        esac\n"
    "    done < <(\"$1\" complete -- \"${words[@]:1}\" 2>/dev/null)\n"
    "    # What stands before the last of them stays as it is.\n"
    "    local kept=${word%\"${word##*[:=]}\"}\n"
    "    if [ $files = yes ]; then\n"
    "        compopt -o filenames\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"${word#\"${word%%=*}\"=}\")\n"
    "    else\n"
    "        COMPREPLY=(\"${values[@]#\"$kept\"}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _tunnelctl tunnelctl\n";

static const char zsh_script[] =
    "#compdef tunnelctl\n"
    "# Completion of tunnelctl(1) for zsh, printed by `tunnelctl completion zsh`.\n"
    "local line files\n"
    "local -a values\n"
    "while IFS= read -r line; do\n"
    "    if [[ $line == :file ]]; then\n"
    "        files=yes\n"
    "    else\n"
    "        values+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "    fi\n"
    "done < <($words[1] complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "if [[ -n $files ]]; then\n"
    "    compset -P '*='\n"
    "    _files\n"
    "else\n"
    "    _describe tunnelctl values\n"
    "fi\n";

static const struct {
    const char *shell, *script;
} scripts[] = {
    {"bash", bash_script},
    {"zsh", zsh_script},
};

static enum outcome print_script(struct invocation *invocation, struct fault *fault)
{
    const char *shell = json_string_value(json_object_get(invocation->typed, "SHELL"));
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
        if (strcmp(scripts[i].shell, shell) == 0) {
            fputs(scripts[i].script, invocation->out);
            return DONE;
        }
    }
    fault_set(fault, "there is completion for bash and for zsh, not for '%s'", shell);
    return USAGE;
}

static int read_shell(const struct parameter *parameter, const char *text, json_t *args,
                      struct fault *fault)
{
    (void)fault;
    return json_object_set_new(args, parameter->name, json_string(text));
}

/* Any word, also an empty one. */
static int read_word(const struct parameter *parameter, const char *text, json_t *args,
                     struct fault *fault)
{
    (void)parameter;
    (void)text;
    (void)args;
    (void)fault;
    return 0;
}

static const struct parameter shell_argument[] = {
    {"SHELL", NULL, read_shell, .help = "bash or zsh", .required = true},
    {NULL},
};
static const struct parameter word_arguments[] = {
    {"WORD", NULL, read_word, .help = "the line behind 'tunnelctl', up to the cursor",
     .many = true},
    {NULL},
};

static const struct command commands[] = {
    {
        .words = "completion",
        .help = "Print the script by which a shell completes command lines",
        .arguments = shell_argument,
        .run = print_script,
    },
    {
        .words = "complete",
        .help = "Print what may stand next on a command line; write -- before it",
        .arguments = word_arguments,
        .run = complete_line,
    },
    {NULL},
};
const struct family completion_family = {"shells", commands};
