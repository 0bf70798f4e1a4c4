unit_test(parent_cidr parent)
unit_test(parent_claims parent)
unit_test(parent_enrolment parent)
unit_test(parent_grants parent)
unit_test(parent_snapshots parent worker)
unit_test(parent_store parent PkgConfig::SQLITE)

# A hub whose workers are played by the test.
add_library(parent_harness STATIC ${CMAKE_CURRENT_LIST_DIR}/parent_harness.c)
target_link_libraries(parent_harness PUBLIC suite parent worker)
unit_test(parent_hub parent_harness)
