/* Enrolment: token -> pending -> current, and every way in which it must not happen. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parent/enrolment.h"
#include "suite.h"

#define NOW 1000000

static char directory[64], path[96];
static struct fault fault;
static struct store *store;
static int64_t hannover, kassel;
static struct token token;
static bool enabled;

static void set_up(void)
{
    (void)text_copy(directory, sizeof directory, "/tmp/parent_enrol.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/hub.db", directory);
    ck_assert_msg(store_open(path, &store, &fault) == 0, "%s", fault.text);
    ck_assert_int_eq(store_site_add(store, "hannover", 1, &hannover, &fault), 0);
    ck_assert_int_eq(store_site_add(store, "kassel", 1, &kassel, &fault), 0);
    enabled = true;
}

static void tear_down(void)
{
    static const char *const names[] = {"hub.db", "hub.db-wal", "hub.db-shm"};
    store_close(store);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[160];
        (void)snprintf(name, sizeof name, "%s/%s", directory, names[i]);
        (void)unlink(name);
    }
    ck_assert_int_eq(rmdir(directory), 0);
}

/* An Ed25519 key as a blob: type, then 32 bytes. */
static struct public_key make_key(unsigned number)
{
    struct public_key key;
    uint8_t blob[51] = {0,   0,   0,   11,  's', 's', 'h', '-', 'e', 'd',
                        '2', '5', '5', '1', '9', 0,   0,   0,   32};
    memcpy(blob + 19, &number, sizeof number);
    ck_assert_msg(public_key_from_blob(blob, sizeof blob, &key, &fault) == 0, "%s", fault.text);
    return key;
}

static void issue(int64_t site, const char *from)
{
    struct keyfile_row row = {.site = site, .issued_s = NOW - 10, .expires_s = NOW + 100};
    token_new(&token);
    token_digest(&token, row.digest);
    (void)text_copy(row.id, sizeof row.id, token.id);
    (void)text_copy(row.from, sizeof row.from, from);
    ck_assert_msg(store_keyfile_issue(store, &row, &fault) == 0, "%s", fault.text);
}

static bool is_enabled(void *owner, int64_t site)
{
    (void)owner;
    (void)site;
    return enabled;
}

static enum redeem_result redeem_at(const char *text, const struct public_key *key,
                                    const char *host, int64_t now_s)
{
    struct keyfile_row row;
    const struct redemption redemption = {
        .token = text, .key = key, .host = host, .now_s = now_s, .site_enabled = is_enabled};
    return enrolment_redeem(store, &redemption, &row, &fault);
}

static enum redeem_result redeem(const struct public_key *key)
{
    return redeem_at(token.text, key, "192.0.2.7", NOW);
}

static enum key_state state_of(const struct public_key *key, int64_t site)
{
    struct key_row row;
    int found = store_key_find(store, key, &row, &fault);
    ck_assert_int_ge(found, 0);
    return found == 1 && row.site == site ? row.state : KEY_NONE;
}

static enum keyfile_state keyfile_state(void)
{
    struct keyfile_row row;
    ck_assert_int_eq(store_keyfile_find(store, token.id, &row, &fault), 1);
    return row.state;
}

static void reopen(void)
{
    store_close(store);
    ck_assert_msg(store_open(path, &store, &fault) == 0, "%s", fault.text);
}

START_TEST(binds_then_activates)
{
    struct public_key key = make_key(1);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&key), REDEEM_GRANTED);
    reopen();
    ck_assert_int_eq(state_of(&key, hannover), KEY_PENDING);
    ck_assert_int_eq(keyfile_state(), KEYFILE_PENDING);
    ck_assert_int_eq(redeem(&key), REDEEM_REPEATED);
    ck_assert_int_eq(store_key_activate(store, hannover, &key, NOW, &fault), 0);
    reopen();
    ck_assert_int_eq(state_of(&key, hannover), KEY_CURRENT);
    ck_assert_int_eq(keyfile_state(), KEYFILE_SPENT);
    ck_assert_int_eq(redeem(&key), REDEEM_SPENT);
    ck_assert_int_ne(store_key_activate(store, hannover, &key, NOW, &fault), 0);
    ck_assert_int_eq(state_of(&key, hannover), KEY_CURRENT);
}
END_TEST

START_TEST(another_key_raises_the_alarm)
{
    struct public_key key = make_key(1), other = make_key(2);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&key), REDEEM_GRANTED);
    ck_assert_int_eq(redeem(&other), REDEEM_OTHER_KEY);
    ck_assert_int_eq(state_of(&other, hannover), KEY_NONE);
    ck_assert_int_eq(store_key_activate(store, hannover, &key, NOW, &fault), 0);
    ck_assert_int_eq(redeem(&other), REDEEM_OTHER_KEY);
    ck_assert_int_eq(state_of(&key, hannover), KEY_CURRENT);
}
END_TEST

START_TEST(new_key_replaces_the_old_at_activation)
{
    struct public_key old = make_key(1), fresh = make_key(2);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&old), REDEEM_GRANTED);
    ck_assert_int_eq(store_key_activate(store, hannover, &old, NOW, &fault), 0);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&fresh), REDEEM_GRANTED);
    ck_assert_int_eq(state_of(&old, hannover), KEY_CURRENT);
    ck_assert_int_eq(state_of(&fresh, hannover), KEY_PENDING);
    ck_assert_int_eq(store_key_activate(store, hannover, &fresh, NOW, &fault), 0);
    ck_assert_int_eq(state_of(&old, hannover), KEY_NONE);
    ck_assert_int_eq(state_of(&fresh, hannover), KEY_CURRENT);
}
END_TEST

START_TEST(refuses_what_is_wrong)
{
    struct public_key key = make_key(1);
    issue(hannover, "");
    char text[TOKEN_TEXT_SIZE];
    (void)text_copy(text, sizeof text, token.text);
    text[sizeof text - 2] = text[sizeof text - 2] == 'a' ? 'b' : 'a';
    ck_assert_int_eq(redeem_at(text, &key, "192.0.2.7", NOW), REDEEM_WRONG);
    (void)text_copy(text, sizeof text, token.text);
    text[0] = text[0] == 'a' ? 'b' : 'a';
    ck_assert_int_eq(redeem_at(text, &key, "192.0.2.7", NOW), REDEEM_UNKNOWN);
    ck_assert_int_eq(redeem_at("", &key, "192.0.2.7", NOW), REDEEM_MALFORMED);
    ck_assert_int_eq(redeem_at(token.id, &key, "192.0.2.7", NOW), REDEEM_MALFORMED);
    ck_assert_int_eq(redeem_at(token.text, &key, "192.0.2.7", NOW + 100), REDEEM_EXPIRED);
    enabled = false;
    ck_assert_int_eq(redeem(&key), REDEEM_DISABLED);
    ck_assert_int_eq(state_of(&key, hannover), KEY_NONE);
    ck_assert_int_eq(keyfile_state(), KEYFILE_OPEN);
}
END_TEST

START_TEST(holds_to_its_network)
{
    struct public_key key = make_key(1);
    issue(hannover, "192.0.2.0/24");
    ck_assert_int_eq(redeem_at(token.text, &key, "198.51.100.1", NOW), REDEEM_ELSEWHERE);
    ck_assert_int_eq(redeem_at(token.text, &key, "::ffff:192.0.2.4", NOW), REDEEM_GRANTED);
}
END_TEST

START_TEST(a_key_belongs_to_one_site)
{
    struct public_key key = make_key(1);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&key), REDEEM_GRANTED);
    issue(kassel, "");
    ck_assert_int_eq(redeem(&key), REDEEM_KEY_TAKEN);
    ck_assert_int_eq(keyfile_state(), KEYFILE_OPEN);
    ck_assert_int_eq(state_of(&key, hannover), KEY_PENDING);
}
END_TEST

START_TEST(own_current_key_spends_the_keyfile)
{
    struct public_key key = make_key(1);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&key), REDEEM_GRANTED);
    ck_assert_int_eq(store_key_activate(store, hannover, &key, NOW, &fault), 0);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&key), REDEEM_GRANTED);
    ck_assert_int_eq(keyfile_state(), KEYFILE_SPENT);
    ck_assert_int_eq(state_of(&key, hannover), KEY_CURRENT);
}
END_TEST

START_TEST(new_issue_revokes_the_unused)
{
    struct public_key key = make_key(1);
    issue(hannover, "");
    struct token first = token;
    ck_assert_int_eq(redeem(&key), REDEEM_GRANTED);
    issue(hannover, "");
    ck_assert_int_eq(state_of(&key, hannover), KEY_NONE);
    ck_assert_int_eq(redeem_at(first.text, &key, "192.0.2.7", NOW), REDEEM_REVOKED);
    ck_assert_int_eq(store_keyfile_revoke(store, token.id, &fault), 0);
    ck_assert_int_eq(redeem(&key), REDEEM_REVOKED);
}
END_TEST

START_TEST(revoking_leaves_the_current_key)
{
    struct public_key key = make_key(1);
    issue(hannover, "");
    ck_assert_int_eq(redeem(&key), REDEEM_GRANTED);
    ck_assert_int_eq(store_key_activate(store, hannover, &key, NOW, &fault), 0);
    ck_assert_int_eq(store_keyfile_revoke(store, token.id, &fault), 0);
    ck_assert_int_eq(state_of(&key, hannover), KEY_CURRENT);
    ck_assert_int_eq(keyfile_state(), KEYFILE_SPENT);
}
END_TEST

START_TEST(two_hundred_keys_one_token)
{
    issue(hannover, "");
    unsigned granted = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct public_key key = make_key(i);
        enum redeem_result result = redeem(&key);
        granted += result == REDEEM_GRANTED;
        ck_assert(result == REDEEM_GRANTED || result == REDEEM_OTHER_KEY);
        ck_assert_int_eq(state_of(&key, hannover), i == 0 ? KEY_PENDING : KEY_NONE);
    }
    ck_assert_uint_eq(granted, 1);
}
END_TEST

START_TEST(expiry_is_shown_for_the_unused_only)
{
    struct keyfile_row row = {.expires_s = NOW};
    ck_assert_str_eq(keyfile_display_state(&row, NOW - 1), "open");
    ck_assert_str_eq(keyfile_display_state(&row, NOW), "expired");
    row.state = KEYFILE_SPENT;
    ck_assert_str_eq(keyfile_display_state(&row, NOW), "spent");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_enrolment");
    TCase *cases = tcase_create("enrolment");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, binds_then_activates);
    tcase_add_test(cases, another_key_raises_the_alarm);
    tcase_add_test(cases, new_key_replaces_the_old_at_activation);
    tcase_add_test(cases, refuses_what_is_wrong);
    tcase_add_test(cases, holds_to_its_network);
    tcase_add_test(cases, a_key_belongs_to_one_site);
    tcase_add_test(cases, own_current_key_spends_the_keyfile);
    tcase_add_test(cases, new_issue_revokes_the_unused);
    tcase_add_test(cases, revoking_leaves_the_current_key);
    tcase_add_test(cases, two_hundred_keys_one_token);
    tcase_add_test(cases, expiry_is_shown_for_the_unused_only);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
