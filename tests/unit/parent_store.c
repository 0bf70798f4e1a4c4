/* The store: reopening, refusing what is damaged or newer, migration, bounds. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parent/store_internal.h"
#include "suite.h"

static char directory[64], path[128];
static struct fault fault;

static void set_up(void)
{
    (void)text_copy(directory, sizeof directory, "/tmp/parent_store.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/hub.db", directory);
    fault.text[0] = '\0';
}

static void tear_down(void)
{
    static const char *const names[] = {"hub.db", "hub.db-wal", "hub.db-shm", "hub.db.v1",
                                        "hub.db.v2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[160];
        (void)snprintf(name, sizeof name, "%s/%s", directory, names[i]);
        (void)unlink(name);
    }
    ck_assert_int_eq(rmdir(directory), 0);
}

static struct store *open_store(void)
{
    struct store *store = NULL;
    ck_assert_msg(store_open(path, &store, &fault) == 0, "%s", fault.text);
    return store;
}

static void run_sql(const char *sql)
{
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    char *error = NULL;
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK, "%s", error);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void on_site(void *owner, const struct site_row *row)
{
    *(struct site_row *)owner = *row;
}

static void on_grant(void *owner, int64_t site, const struct grant *grant)
{
    (void)site;
    *(struct grant *)owner = *grant;
}

START_TEST(remembers_after_reopening)
{
    struct store *store = open_store();
    struct site_row row = {.last_seen_s = 12,
                           .last_disconnect_s = 11,
                           .reconnects = 3,
                           .last_reason = "closed by peer"};
    struct grant grant = {.port = 8443,
                          .address = "127.0.0.1",
                          .target = "192.168.1.10:443",
                          .enabled = true,
                          .created_s = 7};
    ck_assert_int_eq(store_site_add(store, "hannover", 5, &row.id, &fault), 0);
    ck_assert_int_eq(store_site_seen(store, &row, &fault), 0);
    ck_assert_int_eq(store_grant_add(store, row.id, &grant, &fault), 0);
    store_close(store);
    store = open_store();
    struct site_row found = {0};
    struct grant found_grant = {0};
    ck_assert_int_eq(store_sites(store, on_site, &found, &fault), 0);
    ck_assert_int_eq(store_grants(store, on_grant, &found_grant, &fault), 0);
    ck_assert_str_eq(found.name, "hannover");
    ck_assert(found.enabled);
    ck_assert_int_eq(found.created_s, 5);
    ck_assert_int_eq(found.last_seen_s, 12);
    ck_assert_int_eq(found.last_disconnect_s, 11);
    ck_assert_int_eq(found.reconnects, 3);
    ck_assert_str_eq(found.last_reason, "closed by peer");
    ck_assert_mem_eq(&found_grant, &grant, sizeof grant);
    store_close(store);
}
END_TEST

START_TEST(is_durable_and_in_wal)
{
    store_close(open_store());
    run_sql("CREATE TABLE probe AS SELECT * FROM pragma_journal_mode");
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    sqlite3 *db;
    sqlite3_stmt *row;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT * FROM probe", -1, &row, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(row), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(row, 0), "wal");
    (void)sqlite3_finalize(row);
    (void)sqlite3_close(db);
}
END_TEST

START_TEST(names_and_addresses_are_unique)
{
    struct store *store = open_store();
    int64_t first, second;
    struct grant grant = {.port = 8443, .address = "127.0.0.1", .target = "a:1", .enabled = true};
    ck_assert_int_eq(store_site_add(store, "hannover", 5, &first, &fault), 0);
    ck_assert_int_eq(store_site_add(store, "hannover", 5, &second, &fault), STORE_EXISTS);
    ck_assert_int_eq(store_site_add(store, "kassel", 5, &second, &fault), 0);
    ck_assert_int_eq(store_grant_add(store, first, &grant, &fault), 0);
    ck_assert_int_eq(store_grant_add(store, second, &grant, &fault), STORE_EXISTS);
    grant.port = 8444;
    ck_assert_int_eq(store_grant_add(store, second, &grant, &fault), 0);
    store_close(store);
}
END_TEST

static void on_any_grant(void *owner, int64_t site, const struct grant *grant)
{
    (void)site;
    (void)grant;
    ++*(int *)owner;
}

START_TEST(removing_a_site_takes_all_with_it)
{
    struct store *store = open_store();
    int64_t id;
    struct grant grant = {.port = 8443, .address = "127.0.0.1", .target = "a:1", .enabled = true};
    struct keyfile_row keyfile = {.id = "abcdefghij", .issued_s = 1, .expires_s = 9};
    ck_assert_int_eq(store_site_add(store, "hannover", 5, &id, &fault), 0);
    keyfile.site = id;
    ck_assert_int_eq(store_grant_add(store, id, &grant, &fault), 0);
    ck_assert_int_eq(store_keyfile_issue(store, &keyfile, &fault), 0);
    ck_assert_int_eq(store_site_remove(store, id, &fault), 0);
    int count = 0;
    ck_assert_int_eq(store_grants(store, on_any_grant, &count, &fault), 0);
    ck_assert_int_eq(count, 0);
    ck_assert_int_eq(store_keyfile_find(store, "abcdefghij", &keyfile, &fault), 0);
    store_close(store);
}
END_TEST

/* The whole file, to see that it was left alone. */
static size_t file_bytes(char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(bytes, 1, size, file);
    (void)fclose(file);
    return length;
}

static char before[200000], after[200000];

static void check_refused(const char *words)
{
    struct store *store = NULL;
    size_t length = file_bytes(before, sizeof before);
    ck_assert_int_ne(store_open(path, &store, &fault), 0);
    ck_assert_msg(strstr(fault.text, words) != NULL, "%s", fault.text);
    ck_assert_ptr_nonnull(strstr(fault.text, path));
    ck_assert_uint_eq(file_bytes(after, sizeof after), length);
    ck_assert_mem_eq(before, after, length);
}

START_TEST(newer_is_refused_and_untouched)
{
    store_close(open_store());
    run_sql("PRAGMA user_version=99");
    check_refused("newer tunneld");
}
END_TEST

START_TEST(another_programs_file_is_refused)
{
    run_sql("CREATE TABLE theirs(x)");
    check_refused("another program's");
}
END_TEST

START_TEST(no_database_is_refused)
{
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < 5000; i++)
        (void)fputs("this is not a database ", file);
    (void)fclose(file);
    check_refused("damaged");
}
END_TEST

START_TEST(damaged_is_refused)
{
    store_close(open_store());
    FILE *file = fopen(path, "r+b");
    ck_assert_int_eq(fseek(file, 4096, SEEK_SET), 0);
    for (int i = 0; i < 8192; i++)
        (void)fputc(0xa5, file);
    (void)fclose(file);
    check_refused("damaged");
}
END_TEST

START_TEST(migration_keeps_a_copy)
{
    struct store *store = open_store();
    int64_t id;
    ck_assert_int_eq(store_site_add(store, "hannover", 5, &id, &fault), 0);
    const char *const steps[] = {store_schema[0], store_schema[1],
                                 "ALTER TABLE sites ADD COLUMN note TEXT;"};
    ck_assert_int_eq(store_schema_version, 2);
    ck_assert_msg(store_migrate(store, steps, 3, &fault) == 0, "%s", fault.text);
    store_close(store);
    check_refused("newer tunneld");
    (void)snprintf(path, sizeof path, "%s/hub.db.v2", directory);
    store = open_store();
    struct site_row found = {0};
    ck_assert_int_eq(store_sites(store, on_site, &found, &fault), 0);
    ck_assert_str_eq(found.name, "hannover");
    store_close(store);
}
END_TEST

START_TEST(failed_migration_changes_nothing)
{
    struct store *store = open_store();
    const char *const steps[] = {store_schema[0], store_schema[1],
                                 "ALTER TABLE sites ADD COLUMN note TEXT; NO SQL AT ALL;"};
    ck_assert_int_ne(store_migrate(store, steps, 3, &fault), 0);
    store_close(store);
    store_close(open_store());
}
END_TEST

/* A file of version 1, made by that version's step. */
START_TEST(version_1_is_migrated)
{
    run_sql(store_schema[0]);
    run_sql("PRAGMA user_version=1; PRAGMA application_id=0x74756e6e;"
            "INSERT INTO sites(id, name, created) VALUES (3, 'hannover', 5);"
            "INSERT INTO grants VALUES (4, 3, 8443, '127.0.0.1', 'a:1', 0, 7);");
    struct store *store = open_store();
    static const struct grant none;
    struct grant grant = none, found = none;
    ck_assert_int_eq(store_grants(store, on_grant, &found, &fault), 0);
    ck_assert_int_eq(found.id, 4);
    ck_assert_int_eq(found.port, 8443);
    ck_assert_str_eq(found.address, "127.0.0.1");
    ck_assert_str_eq(found.target, "a:1");
    ck_assert(!found.enabled);
    ck_assert_int_eq(found.created_s, 7);
    ck_assert_mem_eq(&found.policy, &none.policy, sizeof found.policy);
    grant = (struct grant){.port = 8443, .target = "a:1", .policy.private = true};
    ck_assert_int_eq(store_grant_add(store, 3, &grant, &fault), STORE_EXISTS);
    store_close(store);
}
END_TEST

/* One with every item of a policy. */
static struct grant full_grant(void)
{
    struct grant grant = {.port = 8443, .address = "::1", .target = "a:1", .enabled = true};
    struct policy *policy = &grant.policy;
    ck_assert_int_eq(cidr_parse("192.0.2.0/24", &policy->networks[0], &fault), 0);
    ck_assert_int_eq(cidr_parse("2001:db8::/32", &policy->networks[1], &fault), 0);
    policy->network_count = 2;
    policy->max_connections = 10;
    policy->max_rate = 5;
    policy->bandwidth_in = 1000000;
    policy->bandwidth_out = 2000000;
    policy->connect_timeout_ms = 5000;
    policy->idle_timeout_ms = 3600000;
    policy->expires_s = 1800000000;
    policy->own_hold = true;
    policy->proxy_protocol = PROXY_PROTOCOL_V2;
    return grant;
}

START_TEST(remembers_policies)
{
    struct store *store = open_store();
    struct grant grant = full_grant(), found = {0};
    int64_t site;
    ck_assert_int_eq(store_site_add(store, "hannover", 5, &site, &fault), 0);
    ck_assert_int_eq(store_grant_add(store, site, &grant, &fault), 0);
    ck_assert_int_eq(store_grants(store, on_grant, &found, &fault), 0);
    ck_assert_mem_eq(&found, &grant, sizeof grant);
    memset(&grant.policy, 0, sizeof grant.policy);
    memset(grant.address, 0, sizeof grant.address);
    (void)snprintf(grant.target, sizeof grant.target, "b:2");
    grant.policy.private = true;
    grant.enabled = false;
    ck_assert_int_eq(store_grant_set(store, &grant, &fault), 0);
    memset(&found, 0, sizeof found);
    ck_assert_int_eq(store_grants(store, on_grant, &found, &fault), 0);
    ck_assert_mem_eq(&found, &grant, sizeof grant);
    store_close(store);
}
END_TEST

START_TEST(private_grants_share_ports)
{
    struct store *store = open_store();
    struct grant grant = {.port = 8443, .target = "a:1", .policy.private = true};
    struct grant public = {.port = 8443, .address = "127.0.0.1", .target = "a:1"};
    int64_t sites[3];
    const char *const names[] = {"bremen", "hannover", "kassel"};
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(store_site_add(store, names[i], 5, &sites[i], &fault), 0);
    ck_assert_int_eq(store_grant_add(store, sites[0], &grant, &fault), 0);
    ck_assert_int_eq(store_grant_add(store, sites[1], &grant, &fault), 0);
    ck_assert_int_eq(store_grant_add(store, sites[2], &public, &fault), 0);
    (void)snprintf(grant.address, sizeof grant.address, "127.0.0.1");
    ck_assert_int_eq(store_grant_set(store, &grant, &fault), STORE_EXISTS);
    store_close(store);
}
END_TEST

/* Somebody edited the file: an unreadable policy must not become an open one. */
static const char *const broken_policies[] = {"", "{", "[]", "{\"form\": [\"192.0.2.0/24\"]}",
                                              "{\"from\": [\"192.0.2.1/24\"]}"};

START_TEST(unreadable_policy_is_a_fault)
{
    struct store *store = open_store();
    struct grant grant = {.port = 8443, .address = "127.0.0.1", .target = "a:1"};
    int64_t site;
    int count = 0;
    char sql[160];
    ck_assert_int_eq(store_site_add(store, "hannover", 5, &site, &fault), 0);
    ck_assert_int_eq(store_grant_add(store, site, &grant, &fault), 0);
    store_close(store);
    (void)snprintf(sql, sizeof sql, "UPDATE grants SET policy = '%s'", broken_policies[_i]);
    run_sql(sql);
    store = open_store();
    ck_assert_int_ne(store_grants(store, on_any_grant, &count, &fault), 0);
    ck_assert_int_eq(count, 0);
    ck_assert_msg(strstr(fault.text, "8443") != NULL, "%s", fault.text);
    store_close(store);
}
END_TEST

static void on_audit(void *owner, const struct audit_row *row)
{
    int64_t *last = owner;
    ck_assert_int_ge(row->time_s, *last);
    *last = row->time_s;
}

START_TEST(audit_is_bounded)
{
    struct store *store = open_store();
    struct audit_row row = {
        .event = "site.add", .site = "s", .actor = "", .peer = "", .detail = ""};
    ck_assert_int_eq(store_begin(store, &fault), 0);
    for (row.time_s = 1; row.time_s <= STORE_AUDIT_MAX + 50; row.time_s++)
        ck_assert_int_eq(store_audit_add(store, &row, &fault), 0);
    ck_assert_int_eq(store_audit_trim(store, &fault), 0);
    ck_assert_int_eq(store_commit(store, &fault), 0);
    int64_t last = 0;
    ck_assert_int_eq(store_audit(store, 0, STORE_AUDIT_MAX * 2, on_audit, &last, &fault), 0);
    ck_assert_int_eq(last, STORE_AUDIT_MAX + 50);
    last = STORE_AUDIT_MAX + 41; /* the newest ten only */
    ck_assert_int_eq(store_audit(store, 0, 10, on_audit, &last, &fault), 0);
    last = 51; /* nothing older is left */
    ck_assert_int_eq(store_audit(store, 0, STORE_AUDIT_MAX * 2, on_audit, &last, &fault), 0);
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_store");
    TCase *cases = tcase_create("store");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, remembers_after_reopening);
    tcase_add_test(cases, is_durable_and_in_wal);
    tcase_add_test(cases, names_and_addresses_are_unique);
    tcase_add_test(cases, removing_a_site_takes_all_with_it);
    tcase_add_test(cases, newer_is_refused_and_untouched);
    tcase_add_test(cases, another_programs_file_is_refused);
    tcase_add_test(cases, no_database_is_refused);
    tcase_add_test(cases, damaged_is_refused);
    tcase_add_test(cases, migration_keeps_a_copy);
    tcase_add_test(cases, failed_migration_changes_nothing);
    tcase_add_test(cases, version_1_is_migrated);
    tcase_add_test(cases, remembers_policies);
    tcase_add_test(cases, private_grants_share_ports);
    tcase_add_loop_test(cases, unreadable_policy_is_a_fault, 0,
                        sizeof broken_policies / sizeof *broken_policies);
    tcase_add_test(cases, audit_is_bounded);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
