/*
 * The output of a `status` command, searched.  It is for people's eyes: when the text looks
 * different one day, the reason is merely not known.
 */
#define _GNU_SOURCE
#include "inquiry.h"

#include <string.h>

#define HEADING "\nrefused lately:\n"

enum inquiry_result inquiry_step(struct remote_command *status, char reason[INQUIRY_REASON_SIZE])
{
    switch (remote_command_step(status)) {
    case REMOTE_COMMAND_WAIT:
        return INQUIRY_WAIT;
    case REMOTE_COMMAND_ENDED:
        return inquiry_reason(remote_command_text(status), reason) ? INQUIRY_TOLD : INQUIRY_LOST;
    case REMOTE_COMMAND_LOST:
        break;
    }
    return INQUIRY_LOST;
}

/* The last line that is indented, as those under a heading are. */
static const char *last_entry(const char *section, size_t *length)
{
    const char *last = NULL;
    while (*section == ' ') {
        const char *end = strchr(section, '\n');
        if (end == NULL)
            break;
        last = section;
        *length = (size_t)(end - section);
        section = end + 1;
    }
    return last;
}

bool inquiry_reason(const char *text, char reason[INQUIRY_REASON_SIZE])
{
    size_t length = 0, used = 0;
    const char *section = strstr(text, HEADING);
    const char *line = section != NULL ? last_entry(section + sizeof HEADING - 1, &length) : NULL;
    if (line == NULL)
        return false;
    const char *end = line + length;
    line += strspn(line, " ");
    line += strcspn(line, " \n"); /* the time */
    line += strspn(line, " ");
    for (; line < end && used < INQUIRY_REASON_SIZE - 1; line++)
        reason[used++] = *line >= ' ' && *line <= '~' ? *line : '?';
    reason[used] = '\0';
    return used > 0;
}
