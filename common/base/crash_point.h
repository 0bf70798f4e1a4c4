/*
 * Places at which a test build dies as if by kill -9.  Without the build option
 * TUNNEL_CRASH_POINTS they are nothing.
 *
 * The file that $TUNNEL_CRASH_FILE names at the start of a process holds the name of one point in
 * its first CRASH_NAME_SIZE bytes, and is read anew each time.  The point that is reached writes
 * "hit" there, so that only one process dies, and only once.
 */
#ifndef BASE_CRASH_POINT_H
#define BASE_CRASH_POINT_H

#define CRASH_NAME_SIZE 64

#ifdef TUNNEL_CRASH_POINTS
#define CRASH_POINT(name) crash_point(name)
void crash_point(const char *name);
#else
#define CRASH_POINT(name) ((void)0)
#endif

#endif
