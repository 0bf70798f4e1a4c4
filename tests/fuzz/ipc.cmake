fuzz_target(message ipc)
