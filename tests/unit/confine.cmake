unit_test(confine_process confine)
