unit_test(yaml config)
unit_test(schema config)
unit_test(hub_settings config)
unit_test(agent_settings config)
unit_test(golden config)
foreach(name hub_settings golden)
  target_compile_definitions(${name} PRIVATE
    CONFIG_CASES="${PROJECT_SOURCE_DIR}/tests/config"
    CONFIG_EXAMPLES="${PROJECT_SOURCE_DIR}/config/examples")
endforeach()
