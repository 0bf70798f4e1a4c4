fuzz_target(ctl_document commands)
