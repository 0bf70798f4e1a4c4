/* Policies as JSON: what is read, what is refused and why, and that it comes back the same. */
#define _GNU_SOURCE
#include "parent/policy_json.h"
#include "suite.h"

static struct fault fault;

static json_t *load(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(json != NULL, "%s", text);
    return json;
}

static int read_into(struct policy *policy, const char *text)
{
    json_t *json = load(text);
    fault.text[0] = '\0';
    int rc = policy_from_json(policy, json, &fault);
    json_decref(json);
    return rc;
}

static void ck_written(const struct policy *policy, const char *wanted)
{
    json_t *json = policy_to_json(policy);
    char *text = json_dumps(json, JSON_COMPACT);
    ck_assert_str_eq(text, wanted);
    free(text);
    json_decref(json);
}

static const char *const same[] = {
    "{}",
    "{\"from\":[\"192.0.2.0/24\",\"2001:db8::/32\",\"192.0.2.7\",\"::1\",\"0.0.0.0/0\",\"::/0\"]}",
    "{\"max_connections\":1}",
    "{\"max_connections\":1000000,\"max_rate\":1000000}",
    "{\"bandwidth_in\":1000,\"bandwidth_out\":1000000000000}",
    "{\"connect_timeout_s\":5,\"idle_timeout_s\":31536000}",
    "{\"expires\":\"2027-01-01T00:00:00Z\"}",
    "{\"hold_s\":0}",
    "{\"hold_s\":86400,\"proxy_protocol\":\"v1\"}",
    "{\"target_check_s\":0}",
    "{\"target_check_s\":86400}",
    "{\"proxy_protocol\":\"v2\",\"private\":true}",
    "{\"from\":[\"10.0.0.0/8\"],\"max_connections\":10,\"max_rate\":5,\"bandwidth_in\":1000000,"
    "\"bandwidth_out\":2000000,\"connect_timeout_s\":5,\"idle_timeout_s\":3600,"
    "\"expires\":\"2027-01-01T00:00:00Z\",\"hold_s\":30,\"proxy_protocol\":\"v2\",\"private\":"
    "true}",
};

START_TEST(comes_back_the_same)
{
    struct policy policy = {.max_rate = 0};
    ck_assert_msg(read_into(&policy, same[_i]) == 0, "%s: %s", same[_i], fault.text);
    ck_written(&policy, same[_i]);
}
END_TEST

static const struct {
    const char *json, *written;
} canonical[] = {
    {"{\"from\":[\"::ffff:192.0.2.0/120\"]}", "{\"from\":[\"192.0.2.0/24\"]}"},
    {"{\"from\":[\"192.0.2.7/32\",\"2001:DB8:0::1/128\"]}",
     "{\"from\":[\"192.0.2.7\",\"2001:db8::1\"]}"},
    {"{\"proxy_protocol\":\"off\",\"private\":false}", "{}"},
    {"{\"from\":null,\"max_connections\":null,\"max_rate\":null,\"bandwidth_in\":null,"
     "\"bandwidth_out\":null,\"connect_timeout_s\":null,\"idle_timeout_s\":null,\"expires\":null,"
     "\"hold_s\":null,\"target_check_s\":null,\"proxy_protocol\":null,\"private\":null}",
     "{}"},
};

START_TEST(is_written_in_one_form)
{
    struct policy policy = {.max_rate = 0};
    ck_assert_msg(read_into(&policy, canonical[_i].json) == 0, "%s", fault.text);
    ck_written(&policy, canonical[_i].written);
}
END_TEST

START_TEST(changes_what_is_named)
{
    struct policy policy = {.max_rate = 0};
    ck_assert_int_eq(read_into(&policy, same[sizeof same / sizeof *same - 1]), 0);
    ck_assert_int_eq(read_into(&policy, "{\"from\":[\"::1\"],\"max_rate\":null,\"hold_s\":null}"),
                     0);
    ck_written(&policy,
               "{\"from\":[\"::1\"],\"max_connections\":10,\"bandwidth_in\":1000000,"
               "\"bandwidth_out\":2000000,\"connect_timeout_s\":5,\"idle_timeout_s\":3600,"
               "\"expires\":\"2027-01-01T00:00:00Z\",\"proxy_protocol\":\"v2\",\"private\":true}");
    ck_assert_int_eq(read_into(&policy, canonical[3].json), 0);
    static const struct policy none;
    ck_assert_mem_eq(&policy, &none, sizeof none);
}
END_TEST

START_TEST(shows_every_item)
{
    struct policy policy = {.own_hold = true, .private = true};
    json_t *json = policy_show(&policy);
    char *text = json_dumps(json, JSON_COMPACT);
    ck_assert_str_eq(
        text, "{\"from\":null,\"max_connections\":null,\"max_rate\":null,"
              "\"bandwidth_in\":null,\"bandwidth_out\":null,"
              "\"connect_timeout_s\":null,\"idle_timeout_s\":null,\"expires\":null,"
              "\"hold_s\":0,\"target_check_s\":null,\"proxy_protocol\":null,\"private\":true}");
    struct policy again = {.max_rate = 9};
    ck_assert_int_eq(policy_from_json(&again, json, &fault), 0);
    ck_assert_mem_eq(&again, &policy, sizeof policy);
    free(text);
    json_decref(json);
}
END_TEST

/* The item is named, and what it may be. */
static const struct {
    const char *json, *words, *more;
} refused[] = {
    {"[]", "object", ""},
    {"\"from\"", "object", ""},
    {"null", "object", ""},
    {"{\"form\":[\"::1\"]}", "no item 'form'", "did you mean 'from'?"},
    {"{\"\":1}", "no item ''", ""},
    {"{\"from\":[]}", "from", "or null"},
    {"{\"from\":\"192.0.2.0/24\"}", "from", "list"},
    {"{\"from\":[7]}", "from", "list"},
    {"{\"from\":{\"a\":1}}", "from", "list"},
    {"{\"from\":[\"192.0.2.1/24\"]}", "from", "write 192.0.2.0/24 for the network"},
    {"{\"from\":[\"10.0.0.0/8\",\"2001:db8::1/32\"]}", "from", "2001:db8::/32"},
    {"{\"from\":[\"::ffff:192.0.2.9/120\"]}", "from", "192.0.2.0/24"},
    {"{\"from\":[\"192.0.2.0/33\"]}", "from", "0 to 32"},
    {"{\"from\":[\"somewhere\"]}", "from", "ADDRESS/BITS"},
    {"{\"max_connections\":0}", "max_connections", "1 to 1000000"},
    {"{\"max_connections\":-1}", "max_connections", "1 to"},
    {"{\"max_connections\":1000001}", "max_connections", "1 to"},
    {"{\"max_connections\":9223372036854775807}", "max_connections", "1 to"},
    {"{\"max_connections\":1.5}", "max_connections", "whole number"},
    {"{\"max_connections\":\"10\"}", "max_connections", "whole number"},
    {"{\"max_connections\":true}", "max_connections", "whole number"},
    {"{\"max_rate\":0}", "max_rate", ""},
    {"{\"bandwidth_in\":999}", "bandwidth_in", "1000 to"},
    {"{\"bandwidth_out\":1000000000001}", "bandwidth_out", "1000 to"},
    {"{\"connect_timeout_s\":601}", "connect_timeout_s", "1 to 600"},
    {"{\"idle_timeout_s\":0}", "idle_timeout_s", "1 to"},
    {"{\"expires\":1800000000}", "expires", "2027-01-01T00:00:00Z"},
    {"{\"expires\":\"2027-01-01\"}", "expires", ""},
    {"{\"expires\":\"2027-02-30T00:00:00Z\"}", "expires", ""},
    {"{\"expires\":\"1970-01-01T00:00:00Z\"}", "expires", ""},
    {"{\"hold_s\":86401}", "hold_s", "0 to 86400"},
    {"{\"hold_s\":-1}", "hold_s", "0 to 86400"},
    {"{\"target_check_s\":86401}", "target_check_s", "0 to 86400"},
    {"{\"proxy_protocol\":\"v3\"}", "proxy_protocol", "\"v1\", \"v2\" or \"off\""},
    {"{\"proxy_protocol\":2}", "proxy_protocol", ""},
    {"{\"private\":\"yes\"}", "private", "true or false"},
    {"{\"private\":1}", "private", "true or false"},
    {"{\"max_rate\":5,\"private\":1}", "private", ""},
};

START_TEST(refuses)
{
    struct policy policy = {.max_connections = 3, .max_rate = 4}, before = policy;
    ck_assert_msg(read_into(&policy, refused[_i].json) != 0, "%s was taken", refused[_i].json);
    ck_assert_msg(strstr(fault.text, refused[_i].words) && strstr(fault.text, refused[_i].more),
                  "%s: %s", refused[_i].json, fault.text);
    ck_assert_mem_eq(&policy, &before, sizeof before);
}
END_TEST

START_TEST(networks_are_bounded)
{
    struct policy policy = {.max_rate = 0};
    json_t *list = json_array(), *json = json_pack("{s:o}", "from", list);
    for (int i = 0; i < POLICY_NETWORKS_MAX; i++)
        (void)json_array_append_new(list, json_sprintf("10.%d.0.0/16", i));
    ck_assert_int_eq(policy_from_json(&policy, json, &fault), 0);
    ck_assert_uint_eq(policy.network_count, POLICY_NETWORKS_MAX);
    (void)json_array_append_new(list, json_string("::1"));
    ck_assert_int_ne(policy_from_json(&policy, json, &fault), 0);
    ck_assert_msg(strstr(fault.text, "at most 32") != NULL, "%s", fault.text);
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parent_policy_json");
    TCase *cases = tcase_create("items");
    tcase_add_loop_test(cases, comes_back_the_same, 0, sizeof same / sizeof *same);
    tcase_add_loop_test(cases, is_written_in_one_form, 0, sizeof canonical / sizeof *canonical);
    tcase_add_test(cases, changes_what_is_named);
    tcase_add_test(cases, shows_every_item);
    tcase_add_loop_test(cases, refuses, 0, sizeof refused / sizeof *refused);
    tcase_add_test(cases, networks_are_bounded);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
