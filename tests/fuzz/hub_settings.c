/* Whatever is accepted as settings dumps as settings that dump alike. */
#undef NDEBUG /* the checks are the point */
#define _GNU_SOURCE
#include "config/hub_settings.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *dump(const struct hub_settings *settings, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    assert(out != NULL);
    hub_settings_dump(settings, out);
    fclose(out);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hub_settings settings;
    struct fault fault = {""};
    if (hub_settings_parse((const char *)data, size, "f", &settings, &fault) != 0) {
        assert(strncmp(fault.text, "f:", 2) == 0);
        return 0;
    }
    size_t first_length;
    size_t second_length;
    char *first = dump(&settings, &first_length);
    hub_settings_release(&settings);
    int result = hub_settings_parse(first, first_length, "f", &settings, &fault);
    assert(result == 0);
    char *second = dump(&settings, &second_length);
    hub_settings_release(&settings);
    assert(strcmp(first, second) == 0);
    free(first);
    free(second);
    return 0;
}
