fuzz_target(agent_check agent)
