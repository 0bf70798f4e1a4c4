fuzz_target(ctl_document commands)
fuzz_target(ctl_known_hosts ssh_client)
fuzz_target(ctl_identity ssh_client)
