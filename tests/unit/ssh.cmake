add_library(ssh_pair STATIC ssh_pair.c)
target_link_libraries(ssh_pair PUBLIC suite ssh_relay)
unit_test(stream ssh_pair)
unit_test(pace ssh_pair)
