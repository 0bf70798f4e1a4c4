unit_test(dial_rules dialer)
