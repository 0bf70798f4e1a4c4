add_library(worker_rig STATIC worker_rig.c)
target_link_libraries(worker_rig PUBLIC suite worker)
unit_test(worker_process worker_rig)
unit_test(worker_parts worker)
