unit_test(parent_cidr parent)
unit_test(parent_claims parent)
unit_test(parent_enrolment parent)
unit_test(parent_grants parent)
unit_test(parent_host_keys parent worker)
# The test kills a process at each change of the state directory.
target_link_options(parent_host_keys PRIVATE -Wl,--wrap=file_write,--wrap=file_rename)
unit_test(parent_scope parent)
unit_test(parent_snapshots parent worker)
unit_test(parent_store parent PkgConfig::SQLITE)

# A hub whose workers are played by the test.
add_library(parent_harness STATIC ${CMAKE_CURRENT_LIST_DIR}/parent_harness.c)
target_link_libraries(parent_harness PUBLIC suite parent worker)
unit_test(parent_enforce parent_harness)
unit_test(parent_hub parent_harness)
unit_test(parent_operators parent_harness)
unit_test(parent_rotation parent_harness)
unit_test(parent_outbound parent_harness dialer)
