fuzz_target(agent_check agent)
fuzz_target(agent_pins agent)
