fuzz_target(keyfile keys)
fuzz_target(token keys)
fuzz_target(public_key keys)
