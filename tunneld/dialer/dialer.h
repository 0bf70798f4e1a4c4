/*
 * The dialer process: resolves the hosts of outbound grants, judges what they resolve to, dials,
 * and hands the connected sockets to the parent.  It decides nothing but that (dial_rules.h), and
 * reads no byte from what it connected.  Descriptor 3 is its pipe to the parent; EOF there ends it.
 */
#ifndef DIALER_DIALER_H
#define DIALER_DIALER_H

/* Runs until orphaned.  Returns the process's exit code. */
int dialer_main(void);

#endif
