fuzz_target(agent_snapshot agent)
