/* What `tunnel-agent check` reads off the wire: the first bytes of a peer, the hub's status. */
#undef NDEBUG /* the checks are the point */
#include "tunnel-agent/check_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void status(const char *text)
{
    struct granted *granted = NULL;
    size_t count = 0;
    int64_t time_s;
    if (status_forwards(text, &granted, &count, NULL) == 0) {
        assert((granted == NULL) == (count == 0) && count <= GRANTED_MAX);
        for (size_t i = 0; i < count; i++)
            assert(granted[i].listen[0] != '\0' && granted[i].target.port != 0);
        free(granted);
    }
    (void)status_time(text, &time_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[BANNER_SIZE];
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    assert(banner_judge(text, size, true) != BANNER_MORE);
    if (banner_judge(text, size, false) == BANNER_SSH)
        assert(memcmp(text, "SSH-", 4) == 0);
    assert(strchr(banner_line(text, size, line), '\n') == NULL);
    status(text);
    free(text);
    return 0;
}
