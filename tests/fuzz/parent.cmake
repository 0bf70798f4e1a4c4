fuzz_target(parent_cidr parent)
