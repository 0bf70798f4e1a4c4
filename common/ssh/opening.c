/* Refusals of channels, read from libssh's error text. */
#define _GNU_SOURCE
#include "ssh/opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kept_text.h"

bool opening_some_failed(ssh_session session, char **last)
{
    static const char start[] = "Channel opening failure";
    const char *text = ssh_get_error(session);

    if (strncmp(text, start, sizeof start - 1) != 0 || strcmp(text, kept_text(*last)) == 0)
        return false;
    kept_text_set(last, text);
    return true;
}

/* "Channel opening failure: channel 43 error (2) Connection refused" */
void opening_reason(const char *failure, const char *who, char *reason, size_t size)
{
    static const char *const codes[] = {"no reason given", "prohibited", "connect failed",
                                        "unknown channel type", "resource shortage"};
    const char *code = strstr(failure, "error (");
    const char *said = code ? strstr(code, ") ") : NULL;
    unsigned long number = code ? strtoul(code + 7, NULL, 10) : 0;

    if (said && said[2] != '\0')
        (void)snprintf(reason, size, "refused by %s: %s", who, said + 2);
    else
        (void)snprintf(reason, size, "refused by %s: %s", who,
                       codes[number < sizeof codes / sizeof *codes ? number : 0]);
}
