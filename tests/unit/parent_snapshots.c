/* Snapshots: what the list holds, and how a line is cut for the pipe. */
#define _GNU_SOURCE
#include <string.h>

#include "parent/forwards.h"
#include "parent/outbound.h"
#include "parent/peer_text.h"
#include "parent/sessions.h"
#include "parent/sites.h"
#include "parent/snapshots.h"
#include "suite.h"

struct gathered {
    char text[100];
    size_t length, pieces, last;
};

static void gather(void *owner, const char *data, size_t length, bool last)
{
    struct gathered *gathered = owner;
    ck_assert_uint_le(length, 10);
    ck_assert_uint_eq(gathered->last, 0);
    memcpy(gathered->text + gathered->length, data, length);
    gathered->length += length;
    gathered->pieces++;
    gathered->last += last;
}

START_TEST(cuts)
{
    static const size_t lengths[][2] = {{0, 1}, {1, 1}, {9, 1}, {10, 1}, {11, 2}, {20, 2}, {21, 3}};
    static const char line[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct gathered gathered = {.length = 0};
        snapshot_cut(line, lengths[i][0], 10, gather, &gathered);
        ck_assert_uint_eq(gathered.pieces, lengths[i][1]);
        ck_assert_uint_eq(gathered.last, 1);
        ck_assert_uint_eq(gathered.length, lengths[i][0]);
        ck_assert_mem_eq(gathered.text, line, lengths[i][0]);
    }
}
END_TEST

#define CURRENT "AAAAC3NzaC1lZDI1NTE5AAAAIFkrIPDAoum8t0TQ3LdM9LPtm8NiVQtA4nOk71cfNL0Q"
#define STANDBY "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"

START_TEST(holds_what_an_agent_has_to_know)
{
    static struct hub hub;
    struct grant one = {
        .port = 8443, .address = "127.0.0.1", .target = "192.168.1.10:443", .enabled = true};
    struct grant another = {.port = 9000, .address = "127.0.0.1", .target = "a:1"};
    struct forward on = {.grant = &one}, off = {.grant = &another};
    struct forward *forwards[] = {&on, &off};
    struct site site = {.generation = 7, .forwards = forwards, .forward_count = 2, .hub = &hub};
    struct outbound way_out = {.listen = "127.0.0.1:5432", .target = "db.example:5432"};
    TAILQ_INIT(&site.outbounds);
    TAILQ_INSERT_TAIL(&site.outbounds, &way_out, of_site);
    ck_assert_int_eq(public_key_from_line("ssh-ed25519 " CURRENT, &hub.keys.keys[0], NULL), 0);
    ck_assert_int_eq(public_key_from_line("ssh-ed25519 " STANDBY, &hub.keys.keys[1], NULL), 0);
    json_t *wanted =
        json_pack("{s:i, s:[{s:s, s:i, s:s, s:b}], s:[{s:s, s:s}], s:[s, s]}", "generation", 7,
                  "forwards", "address", "127.0.0.1", "port", 8443, "target", "192.168.1.10:443",
                  "published", 0, "outbound", "listen", "127.0.0.1:5432", "target",
                  "db.example:5432", "host_keys", "ssh-ed25519 " CURRENT, "ssh-ed25519 " STANDBY);
    struct session publisher = {.site = &site}, other = {.site = &site};
    on.session = &publisher;
    json_t *snapshot = snapshot_json(&site, &other);
    ck_assert(json_equal(snapshot, wanted));
    json_decref(snapshot);
    json_t *forward = json_array_get(json_object_get(wanted, "forwards"), 0);
    (void)json_object_set_new(forward, "published", json_true());
    site.rotate = true;
    (void)json_object_set_new(wanted, "rotate", json_true());
    snapshot = snapshot_json(&site, &publisher);
    ck_assert(json_equal(snapshot, wanted));
    json_decref(snapshot);
    json_decref(wanted);
}
END_TEST

START_TEST(text_of_peers_is_made_fit)
{
    char text[8];
    peer_text(text, sizeof text, "a\nb\x1b\xff");
    ck_assert_str_eq(text, "a?b??");
    peer_text(text, sizeof text, "abcdef\xc3\xa4");
    ck_assert_str_eq(text, "abcdef");
    peer_text(text, sizeof text, "\xc3\xa4\xc3\xb6");
    ck_assert_str_eq(text, "\xc3\xa4\xc3\xb6");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_snapshots");
    TCase *cases = tcase_create("snapshots");
    tcase_add_test(cases, cuts);
    tcase_add_test(cases, holds_what_an_agent_has_to_know);
    tcase_add_test(cases, text_of_peers_is_made_fit);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
