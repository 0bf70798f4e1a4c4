unit_test(acceptor net)
unit_test(dial net)
# The test answers for the resolver.
target_link_options(dial PRIVATE -Wl,--wrap=uv_getaddrinfo,--wrap=uv_poll_init)
unit_test(proxy net)
