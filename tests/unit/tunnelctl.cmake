unit_test(ctl_parse commands)
unit_test(ctl_output commands)
unit_test(ctl_run commands)
