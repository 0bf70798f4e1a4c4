unit_test(public_key keys)
unit_test(token keys)
unit_test(keyfile keys)
