add_library(ssh_pair STATIC ssh_pair.c)
target_link_libraries(ssh_pair PUBLIC suite ssh_relay)
unit_test(stream ssh_pair)
unit_test(pace ssh_pair)
set_tests_properties(unit/pace PROPERTIES RUN_SERIAL TRUE) # it is timed
unit_test(rest ssh_relay)
unit_test(turns ssh_relay)
unit_test(window ssh_relay)
unit_test(stream_ends ssh_pair)
unit_test(stream_window ssh_pair)
if(TUNNEL_WIRE)
  unit_test(wire ssh_pair)
endif()

# The same, and libssh asks the kernel itself.
get_target_property(sources ssh_relay SOURCES)
list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/common/ssh/)
add_library(ssh_pair_wireless STATIC ssh_pair.c ${sources})
target_link_libraries(ssh_pair_wireless PUBLIC suite base PkgConfig::SSH PkgConfig::UV)
add_executable(stream_wireless stream.c)
target_link_libraries(stream_wireless PRIVATE ssh_pair_wireless)
add_test(NAME unit/stream_wireless COMMAND stream_wireless)
set_tests_properties(unit/stream_wireless PROPERTIES TIMEOUT 120)
unit_test(probe ssh_pair_wireless) # it has a poll of its own
