/*
 * The frame of every unit test program: a file defines its tests with START_TEST, lists them in
 * a TCase, and hands the suite to suite_run, which returns main's exit code.
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

int suite_run(Suite *suite);

#endif
