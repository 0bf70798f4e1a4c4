/* What libssh says of a login, and what it means when the hub is gone at the same moment. */
#define _GNU_SOURCE
#include "tunnel-agent/authenticate.h"

#include "suite.h"

static int key_says, token_says, connected, prompts;

int __wrap_ssh_userauth_publickey(ssh_session session, const char *user, const ssh_key key);
int __wrap_ssh_userauth_kbdint(ssh_session session, const char *user, const char *methods);
int __wrap_ssh_userauth_kbdint_getnprompts(ssh_session session);
int __wrap_ssh_userauth_kbdint_setanswer(ssh_session session, unsigned i, const char *answer);
int __wrap_ssh_is_connected(ssh_session session);
const char *__wrap_ssh_get_error(void *session);

int __wrap_ssh_userauth_publickey(ssh_session session, const char *user, const ssh_key key)
{
    (void)session, (void)user, (void)key;
    return key_says;
}

int __wrap_ssh_userauth_kbdint(ssh_session session, const char *user, const char *methods)
{
    (void)session, (void)user, (void)methods;
    return token_says;
}

int __wrap_ssh_userauth_kbdint_getnprompts(ssh_session session)
{
    (void)session;
    return prompts;
}

int __wrap_ssh_userauth_kbdint_setanswer(ssh_session session, unsigned i, const char *answer)
{
    (void)session, (void)i, (void)answer;
    return 0;
}

int __wrap_ssh_is_connected(ssh_session session)
{
    (void)session;
    return connected;
}

const char *__wrap_ssh_get_error(void *session)
{
    (void)session;
    return "what libssh said last";
}

static const struct {
    bool at_token;
    int says, connected, prompts;
    enum authentication_result result;
} table[] = {
    {false, SSH_AUTH_SUCCESS, 1, 0, AUTHENTICATION_GRANTED},
    {false, SSH_AUTH_AGAIN, 1, 0, AUTHENTICATION_WAIT},
    {false, SSH_AUTH_DENIED, 1, 0, AUTHENTICATION_REFUSED},
    {false, SSH_AUTH_DENIED, 0, 0, AUTHENTICATION_BROKEN},
    {false, SSH_AUTH_ERROR, 1, 0, AUTHENTICATION_BROKEN},
    {true, SSH_AUTH_SUCCESS, 1, 0, AUTHENTICATION_GRANTED},
    {true, SSH_AUTH_AGAIN, 1, 0, AUTHENTICATION_WAIT},
    {true, SSH_AUTH_DENIED, 1, 0, AUTHENTICATION_REFUSED},
    {true, SSH_AUTH_DENIED, 0, 0, AUTHENTICATION_BROKEN},
    {true, SSH_AUTH_PARTIAL, 0, 0, AUTHENTICATION_BROKEN},
    {true, SSH_AUTH_INFO, 0, -1, AUTHENTICATION_BROKEN},
    {true, SSH_AUTH_INFO, 1, -1, AUTHENTICATION_REFUSED},
    {true, SSH_AUTH_INFO, 1, 1, AUTHENTICATION_REFUSED}, /* who asks without end */
    {true, SSH_AUTH_ERROR, 0, 0, AUTHENTICATION_BROKEN},
};

START_TEST(a_step)
{
    const struct token token = {.text = "id.secret"};
    struct authentication login = {.token = &token, .at_token = table[_i].at_token};
    struct fault fault = {""};
    key_says = token_says = table[_i].says;
    connected = table[_i].connected;
    prompts = table[_i].prompts;
    ck_assert_int_eq(authentication_step(&login, &fault), table[_i].result);
    if (table[_i].result == AUTHENTICATION_BROKEN)
        ck_assert_str_eq(fault.text, "authentication failed: what libssh said last");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_authenticate");
    TCase *cases = tcase_create("all");
    tcase_add_loop_test(cases, a_step, 0, sizeof table / sizeof *table);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
