/* Finds the hub's control socket and asks.  Knows no verb. */
#define _GNU_SOURCE
#include "tunnelctl/hub.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "config/hub_settings.h"
#include "control/client.h"

#define PLACES_MAX 3

struct places {
    char paths[PLACES_MAX][PATH_MAX];
    size_t count;
};

static void add_place(struct places *places, const char *path)
{
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->paths[i], path) == 0)
            return;
    if (text_copy(places->paths[places->count], PATH_MAX, path))
        places->count++;
}

/* Where a socket may be, in the order of trying.  One that was named stands alone. */
static int find_places(const char *named, struct places *places, struct fault *fault)
{
    char path[PATH_MAX], directory[PATH_MAX];
    const char *variable = getenv("TUNNELD_SOCKET");
    if (named) {
        add_place(places, named);
        return 0;
    }
    if (control_default_path(path, sizeof(path), fault) < 0)
        return -1;
    add_place(places, path);
    if (variable && *variable)
        return 0;
    add_place(places, "/run/tunneld/control.sock");
    if (default_state_dir("tunneld", directory, sizeof(directory), NULL) == 0 &&
        file_join(directory, "control.sock", path, sizeof(path), NULL) == 0)
        add_place(places, path);
    return 0;
}

/* A socket that we may not even see is there all the same. */
static bool is_absent(const char *path)
{
    return access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* The first that exists, else the first. */
static const char *choose(const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (!is_absent(places->paths[i]))
            return places->paths[i];
    return places->paths[0];
}

static void say_unreachable(const struct places *places, const char *chosen, struct fault *fault)
{
    if (access(chosen, W_OK) < 0 && errno == EACCES) {
        fault_set(fault, "%s; ask as the hub's user, or as a member of its control_group",
                  fault->text);
        return;
    }
    if (!is_absent(chosen) || places->count < 2) {
        fault_set(fault, "%s; start tunneld, or name its socket with --socket", fault->text);
        return;
    }
    char tried[FAULT_TEXT_SIZE];
    size_t used = 0;
    for (size_t i = 0; i < places->count && used < sizeof(tried); i++)
        used += (size_t)snprintf(tried + used, sizeof(tried) - used, "%s%s", i ? ", " : "",
                                 places->paths[i]);
    fault_set(fault,
              "no hub runs here: there is no socket at %s; start tunneld, or name its "
              "socket with --socket",
              tried);
}

static enum outcome connect_to_hub(struct invocation *invocation, struct fault *fault)
{
    struct places *places = calloc(1, sizeof(*places));
    enum outcome outcome = UNREACHABLE;
    if (!places) {
        fault_set(fault, "out of memory");
    } else if (find_places(invocation->socket, places, fault) == 0) {
        const char *path = choose(places);
        if (control_client_open(path, &invocation->client, fault) == 0)
            outcome = DONE;
        else
            say_unreachable(places, path, fault);
    }
    free(places);
    return outcome;
}

enum outcome hub_ask(struct invocation *invocation, const char *verb, json_t *args, json_t **data,
                     struct fault *fault)
{
    if (!invocation->client) {
        enum outcome outcome = connect_to_hub(invocation, fault);
        if (outcome != DONE)
            return outcome;
    }
    int result = control_client_call(invocation->client, verb, json_incref(args), data, fault);
    if (result == 0)
        return DONE;
    return result == CONTROL_REFUSED ? REFUSED : UNREACHABLE;
}
