/* The list of host keys that a hub sends. */
#undef NDEBUG /* the checks are the point */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/public_key.h"
#include "tunnel-agent/pins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text_list pins = {0};
    struct public_key key;
    json_t *list = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    if (list != NULL && pins_read(list, &pins, NULL) == 0) {
        assert(pins.count == json_array_size(list));
        for (size_t i = 0; i < pins.count; i++)
            assert(public_key_from_line(pins.items[i], &key, NULL) == 0);
        pins_release(&pins);
    }
    json_decref(list);
    return 0;
}
