/* A known_hosts file: a verdict for hosts with and without a port, whatever stands in it. */
#undef NDEBUG /* the checks are the point */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tunnelctl/known_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE64 "AAAAC3NzaC1lZDI1NTE5AAAAINNy0qUvJDNs5+LV0UEChjQ4siEra4YQggO6ckEDY+1h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct host_port hosts[] = {
        {"hub", 22}, {"hub", 2222}, {"127.0.0.1", 35855}, {"2001:db8::1", 22}};
    struct public_key key;
    int result = public_key_from_line("ssh-ed25519 " BASE64, &key, NULL);
    char *text = malloc(size + 1);
    assert(result == 0 && text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        unsigned line = 99;
        enum known known = known_hosts_judge(text, &hosts[i], &key, &line);
        assert((known == KNOWN_NOT) == (line == 0));
        /* The key must stand there for as much as that. */
        if (known == KNOWN_SAME || known == KNOWN_REVOKED)
            assert(strstr(text, BASE64) != NULL);
    }
    free(text);
    return 0;
}
