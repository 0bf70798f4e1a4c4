/*
 * libssh makes a key object of OpenSSL's for the MAC of each packet, and looks up by name what is
 * done with it.  Here the MAC is OpenSSL's own all the same, but what is looked up is kept.
 */
#ifndef SSH_MAC_H
#define SSH_MAC_H

/* From the first call on; may be called again.  Out of memory, libssh does as it always did. */
void mac_prepare(void);

#endif
