fuzz_target(parent_cidr parent)
fuzz_target(parent_scope parent)
fuzz_target(parent_policy parent)
fuzz_target(parent_messages parent worker)
