/*
 * Publickey, and after it, where the hub wants more (RFC 4252, 5.1: partial success),
 * keyboard-interactive (RFC 4256) with the token as the first answer.  Which user logs in, and what
 * follows from the outcome, is the uplink's business.  Nothing here is logged.
 */
#include "authenticate.h"

#include <stdbool.h>

#include "base/crash_point.h"

#define ROUNDS_MAX 4 /* information requests that one login may bring */

static enum authentication_result broken(struct authentication *login, struct fault *fault)
{
    fault_set(fault, "authentication failed: %s", ssh_get_error(login->session));
    return AUTHENTICATION_BROKEN;
}

static enum authentication_result key_step(struct authentication *login, struct fault *fault)
{
    switch (ssh_userauth_publickey(login->session, NULL, login->key)) {
    case SSH_AUTH_AGAIN:
        return AUTHENTICATION_WAIT;
    case SSH_AUTH_SUCCESS:
        return AUTHENTICATION_GRANTED;
    case SSH_AUTH_PARTIAL:
        CRASH_POINT("agent.partial");
        login->at_token = true;
        return AUTHENTICATION_WAIT;
    case SSH_AUTH_DENIED:
        return AUTHENTICATION_REFUSED;
    default:
        return broken(login, fault);
    }
}

/* The first prompt gets the token; whatever a hub asks later gets empty answers. */
static bool answer(struct authentication *login)
{
    int prompts = ssh_userauth_kbdint_getnprompts(login->session);
    if (prompts < 0 || ++login->rounds > ROUNDS_MAX)
        return false;
    if (login->token == NULL || prompts == 0)
        return true;
    const char *text = login->token->text;
    login->token = NULL;
    return ssh_userauth_kbdint_setanswer(login->session, 0, text) == 0;
}

static enum authentication_result token_step(struct authentication *login, struct fault *fault)
{
    for (;;) {
        switch (ssh_userauth_kbdint(login->session, NULL, NULL)) {
        case SSH_AUTH_AGAIN:
            if (login->token == NULL)
                CRASH_POINT("agent.token_sent");
            return AUTHENTICATION_WAIT;
        case SSH_AUTH_SUCCESS:
            return AUTHENTICATION_GRANTED;
        case SSH_AUTH_INFO:
            if (!answer(login))
                return AUTHENTICATION_REFUSED;
            break; /* the next call sends the answers */
        case SSH_AUTH_DENIED:
        case SSH_AUTH_PARTIAL:
            return AUTHENTICATION_REFUSED;
        default:
            return broken(login, fault);
        }
    }
}

static enum authentication_result step(struct authentication *login, struct fault *fault)
{
    if (!login->at_token) {
        enum authentication_result result = key_step(login, fault);
        if (!login->at_token)
            return result;
        if (login->token == NULL)
            return AUTHENTICATION_REFUSED;
    }
    return token_step(login, fault);
}

enum authentication_result authentication_step(struct authentication *login, struct fault *fault)
{
    enum authentication_result result = step(login, fault);
    /* A hub that dies amid the login has refused nothing: the token may be spent, and on this key.
     */
    if (result == AUTHENTICATION_REFUSED && !ssh_is_connected(login->session))
        return broken(login, fault);
    return result;
}
