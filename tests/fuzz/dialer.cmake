fuzz_target(dial_rules dialer)
