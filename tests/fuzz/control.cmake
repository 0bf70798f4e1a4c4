fuzz_target(frames control)
