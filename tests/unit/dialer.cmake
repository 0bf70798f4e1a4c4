unit_test(dial_rules dialer)
unit_test(dialer_process dialer)
unit_test(parent_dialer parent worker dialer)
