fuzz_target(yaml config)
fuzz_target(hub_settings config)
fuzz_target(agent_settings config)
