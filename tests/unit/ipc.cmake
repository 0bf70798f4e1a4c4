unit_test(message ipc)
unit_test(pipe ipc)
