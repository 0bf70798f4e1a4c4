/* What the kernel knows of a connection; a file of its own, as its header does not go with libuv's.
 */
#define _GNU_SOURCE
#include "parent/untouched.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The kernel counts what came, the end included, and what waits to be read, without it. */
bool tcp_is_untouched(int descriptor)
{
    /* Of netinet/tcp.h. */
    enum { ESTABLISHED = 1, CLOSE_WAIT = 8 };
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int unread = 0;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        ioctl(descriptor, FIONREAD, &unread) != 0 || info.tcpi_bytes_sent > 0)
        return false;
    if (info.tcpi_state != ESTABLISHED && info.tcpi_state != CLOSE_WAIT)
        return false;
    uint64_t end = info.tcpi_state == CLOSE_WAIT ? 1 : 0;
    return info.tcpi_bytes_received == (uint64_t)unread + end;
}
