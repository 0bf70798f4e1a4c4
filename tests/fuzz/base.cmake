fuzz_target(address base)
