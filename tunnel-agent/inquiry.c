/*
 * One `status` command on a session channel of its own, its output collected and searched.  It is
 * for people's eyes: when the text looks different one day, the reason is merely not known.
 */
#define _GNU_SOURCE
#include "inquiry.h"

#include <libssh/callbacks.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES 65536
#define COMMAND        "status"
#define HEADING        "\nrefused lately:\n"

enum step { STEP_OPENING, STEP_REQUESTING, STEP_READING };

struct inquiry {
    ssh_channel channel; /* the session's */
    struct ssh_channel_callbacks_struct callbacks;
    enum step step;
    bool ended;
    size_t used;
    char text[TEXT_MAX_BYTES + 1];
};

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t length,
                   int is_stderr, void *userdata)
{
    (void)session;
    (void)channel;
    struct inquiry *inquiry = userdata;
    size_t room = TEXT_MAX_BYTES - inquiry->used;
    size_t taken = is_stderr ? 0 : length < room ? length : room;
    memcpy(inquiry->text + inquiry->used, data, taken);
    inquiry->used += taken;
    return (int)length;
}

static void on_end(ssh_session session, ssh_channel channel, void *userdata)
{
    (void)session;
    (void)channel;
    ((struct inquiry *)userdata)->ended = true;
}

int inquiry_new(ssh_session session, struct inquiry **out)
{
    struct inquiry *inquiry = calloc(1, sizeof *inquiry);
    if (inquiry == NULL)
        return -1;
    inquiry->channel = ssh_channel_new(session);
    inquiry->callbacks.userdata = inquiry;
    inquiry->callbacks.channel_data_function = on_data;
    inquiry->callbacks.channel_eof_function = on_end;
    inquiry->callbacks.channel_close_function = on_end;
    ssh_callbacks_init(&inquiry->callbacks);
    if (inquiry->channel == NULL ||
        ssh_set_channel_callbacks(inquiry->channel, &inquiry->callbacks) != SSH_OK) {
        ssh_channel_free(inquiry->channel);
        free(inquiry);
        return -1;
    }
    *out = inquiry;
    return 0;
}

void inquiry_free(struct inquiry *inquiry, bool session_alive)
{
    if (inquiry == NULL)
        return;
    if (session_alive) {
        ssh_remove_channel_callbacks(inquiry->channel, &inquiry->callbacks);
        ssh_channel_free(inquiry->channel);
    }
    free(inquiry);
}

static int advance(struct inquiry *inquiry)
{
    int rc = SSH_OK;
    if (inquiry->step == STEP_OPENING) {
        rc = ssh_channel_open_session(inquiry->channel);
        if (rc == SSH_OK)
            inquiry->step = STEP_REQUESTING;
    }
    if (rc == SSH_OK && inquiry->step == STEP_REQUESTING) {
        rc = ssh_channel_request_exec(inquiry->channel, COMMAND);
        if (rc == SSH_OK)
            inquiry->step = STEP_READING;
    }
    return rc;
}

enum inquiry_result inquiry_step(struct inquiry *inquiry, char reason[INQUIRY_REASON_SIZE])
{
    int rc = advance(inquiry);
    if (rc != SSH_OK && rc != SSH_AGAIN)
        return INQUIRY_LOST;
    if (!inquiry->ended)
        return INQUIRY_WAIT;
    return inquiry_reason(inquiry->text, reason) ? INQUIRY_TOLD : INQUIRY_LOST;
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
