unit_test(dial_rules dialer)
unit_test(dialer_process dialer)
