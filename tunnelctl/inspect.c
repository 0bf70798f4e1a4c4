/* Looking into a keyfile, offline.  The token's id is shown, its secret never. */
#define _GNU_SOURCE
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "keys/keyfile.h"
#include "keys/public_key.h"
#include "tunnelctl/cell.h"
#include "tunnelctl/families.h"
#include "tunnelctl/output.h"

static void cell_host_key(const json_t *key, char *text, size_t size)
{
    snprintf(text, size, "%s (%s)", json_string_value(json_object_get(key, "fingerprint")),
             json_string_value(json_object_get(key, "type")));
}

static void cell_forward(const json_t *forward, char *text, size_t size)
{
    snprintf(text, size, "%s -> %s", json_string_value(json_object_get(forward, "listen")),
             json_string_value(json_object_get(forward, "target")));
}

static const struct column fields[] = {
    {"site", "site"},
    {"hubs", "hubs"},
    {"host keys", "host_keys", cell_host_key},
    {"token id", "token_id"},
    {"issued", "issued", cell_until},
    {"expires", "expires", cell_until},
    {"forwards", "forwards", cell_forward},
    {"allowed targets", "allow_targets"},
    {NULL},
};

static json_t *text_of(const struct host_port *address)
{
    char text[HOST_PORT_SIZE];
    return json_string(host_port_format(address->host, address->port, text));
}

static json_t *hubs_of(const struct keyfile *keyfile)
{
    json_t *list = json_array();
    for (size_t i = 0; i < keyfile->hub.count; i++)
        json_array_append_new(list, text_of(&keyfile->hub.items[i]));
    return list;
}

static json_t *host_keys_of(const struct keyfile *keyfile)
{
    json_t *list = json_array();
    for (size_t i = 0; i < keyfile->host_keys.count; i++) {
        struct public_key key;
        char fingerprint[FINGERPRINT_SIZE];
        if (public_key_from_line(keyfile->host_keys.items[i], &key, NULL) < 0)
            continue; /* cannot be: the keyfile was checked */
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "fingerprint",
                                              public_key_fingerprint(&key, fingerprint), "type",
                                              key.type, "line", keyfile->host_keys.items[i]));
    }
    return list;
}

static json_t *forwards_of(const struct keyfile *keyfile)
{
    json_t *list = json_array();
    for (size_t i = 0; i < keyfile->forward_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "listen",
                                              text_of(&keyfile->forwards[i].listen), "target",
                                              text_of(&keyfile->forwards[i].target)));
    return list;
}

static json_t *targets_of(const struct keyfile *keyfile)
{
    json_t *list = json_array();
    for (size_t i = 0; i < keyfile->allow_targets.count; i++)
        json_array_append_new(list, json_string(keyfile->allow_targets.items[i]));
    return list;
}

static json_t *describe(const struct keyfile *keyfile)
{
    char issued[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE];
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:b, s:o, s:o}", "site", keyfile->site, "hubs",
                     hubs_of(keyfile), "host_keys", host_keys_of(keyfile), "token_id",
                     keyfile->token.id, "issued", clock_format(keyfile->issued_s, issued),
                     "expires", clock_format(keyfile->expires_s, expires), "expired",
                     keyfile->expires_s <= clock_wall_s(), "forwards", forwards_of(keyfile),
                     "allow_targets", targets_of(keyfile));
}

enum outcome keyfile_inspect(struct invocation *invocation, struct fault *fault)
{
    struct keyfile keyfile;
    const char *path = json_string_value(json_object_get(invocation->typed, "FILE"));
    if (keyfile_read(path, &keyfile, fault) < 0)
        return REFUSED;
    bool expired = keyfile.expires_s <= clock_wall_s();
    json_t *data = describe(&keyfile);
    keyfile_release(&keyfile);
    if (!data) {
        fault_set(fault, "%s: out of memory", path);
        return REFUSED;
    }
    if (invocation->json) {
        output_json(invocation->out, data);
    } else {
        output_block(invocation->out, fields, data);
        if (expired)
            fprintf(invocation->out, "\nIt has expired by this machine's clock; issue another "
                                     "with: tunnelctl keyfile issue SITE\n");
    }
    json_decref(data);
    return DONE;
}
