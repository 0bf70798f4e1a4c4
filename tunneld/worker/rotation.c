/*
 * The worker's part in a site's change of keys: it carries the public key to the parent and the
 * verdict back.  That the site holds the private part shows when it logs in with it.
 */
#define _GNU_SOURCE
#include "worker/rotation.h"

#include <string.h>

#include "base/crash_point.h"
#include "base/text.h"
#include "worker/peer.h"

#define BLOB_MAX 4096

long rotation_read_key(const char *text, uint8_t *blob, size_t size)
{
    const char *base64 = strchr(text, ' ');

    return base64 ? text_base64_decode(base64 + 1, strlen(base64 + 1), blob, size) : -1;
}

static void on_verdict(struct peer *peer, void *subject, const struct message *reply)
{
    bool granted = reply->code == VERDICT_GRANTED;
    json_t *line = granted ? json_pack("{s:{s:b}}", "new_key", "pending", 1)
                           : json_pack("{s:{s:s}}", "new_key", "refused", reply->text);

    (void)subject;
    CRASH_POINT("worker.new_key_verdict");
    peer->rotating = false;
    command_say(peer, line);
    json_decref(line);
}

int rotation_on_key(struct peer *peer, const json_t *new_key, struct fault *fault)
{
    const char *text = json_string_value(new_key);
    uint8_t blob[BLOB_MAX];
    long length = text ? rotation_read_key(text, blob, sizeof blob) : -1;
    struct message question;

    if (length <= 0)
        return fault_set(fault, "a new key that is none");
    if (peer->rotating)
        return fault_set(fault, "a new key before the answer about the last one");
    CRASH_POINT("worker.new_key");
    message_init(&question, MESSAGE_ROTATE);
    question.key = blob;
    question.key_length = (size_t)length;
    if (office_ask(peer, &question, on_verdict, NULL) < 0)
        return fault_set(fault, "out of memory");
    peer->rotating = true;
    return 0;
}
