fuzz_target(proxy net)
