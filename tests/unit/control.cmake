unit_test(control_frames control)
unit_test(control_server control)
unit_test(control_client control)
