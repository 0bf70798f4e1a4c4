unit_test(agent_authenticate agent)
# The test says what libssh says.
target_link_options(agent_authenticate PRIVATE -Wl,--wrap=ssh_userauth_publickey,--wrap=ssh_userauth_kbdint
  -Wl,--wrap=ssh_userauth_kbdint_getnprompts,--wrap=ssh_userauth_kbdint_setanswer,--wrap=ssh_is_connected,--wrap=ssh_get_error)
unit_test(agent_check agent)
unit_test(agent_retry agent)
unit_test(agent_forward_list agent)
unit_test(agent_inquiry agent)
unit_test(agent_next_key agent)
# As agent_state, below.
target_link_options(agent_next_key PRIVATE -Wl,--wrap=file_write,--wrap=file_rename)
unit_test(agent_options agent)
unit_test(agent_outbound_list agent)
unit_test(agent_pins agent)
unit_test(agent_watchdog agent)
unit_test(agent_state agent)
# The test kills a process at each write of the state directory.
target_link_options(agent_state PRIVATE -Wl,--wrap=file_write)
