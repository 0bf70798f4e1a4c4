/*
 * A delay line: two network namespaces, a tun device in each, and this program between them, which
 * hands every packet on after half of a round trip.  It is no proxy: TCP runs from end to end, with
 * its own windows, congestion control and acknowledgements, as on a long cable.  Nothing is lost
 * unless half a GiB is under way in one direction.
 *
 * Packets pass as the kernel gives them, segments of up to 64 KiB that nobody has cut or summed up
 * yet (the header of virtio goes along), so that the line costs little of the machine that it is
 * measured on.
 *
 *   line NAMESPACE NAMESPACE ROUND-TRIP-MS [MIB-A-SECOND]
 *
 * The namespaces are those of ip-netns(8); the devices are called `line`.  Setting them up is
 * bench/sidebyside/world.py's business.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX   (65536 + 64)
#define UNDER_WAY    ((size_t)512 << 20)
#define READS_A_TURN 64

struct packet {
    STAILQ_ENTRY(packet) next;
    uint64_t due_ns;
    size_t length;
    uint8_t bytes[];
};

STAILQ_HEAD(packet_list, packet);

/* One direction. */
struct way {
    int from, to;
    uint64_t delay_ns;
    uint64_t bytes_per_second; /* 0: as fast as it can */
    uint64_t free_ns;          /* when the last packet will have been sent */
    struct packet_list packets;
    size_t under_way;
    uint64_t lost;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int failed(const char *what, const char *name)
{
    fprintf(stderr, "line: %s %s: %s\n", what, name, strerror(errno));
    return -1;
}

/* A device stays where it was made, whatever namespace this process goes to afterwards. */
static int open_device(const char *space)
{
    const unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = "line"};
    char path[256];
    int there, device;

    snprintf(path, sizeof path, "/run/netns/%s", space);
    there = open(path, O_RDONLY | O_CLOEXEC);
    if (there < 0 || setns(there, CLONE_NEWNET) < 0)
        return failed("entering the network namespace", space);
    close(there);
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0 ||
        ioctl(device, TUNSETOFFLOAD, offload) < 0)
        return failed("making a tun device in", space);
    return device;
}

static uint64_t due(struct way *way, size_t length, uint64_t now)
{
    uint64_t start = way->free_ns > now ? way->free_ns : now;

    if (way->bytes_per_second > 0)
        start += length * 1000000000 / way->bytes_per_second;
    way->free_ns = start;
    return start + way->delay_ns;
}

static void take_in(struct way *way)
{
    static uint8_t bytes[PACKET_MAX];

    for (int i = 0; i < READS_A_TURN; i++) {
        ssize_t got = read(way->from, bytes, sizeof bytes);
        struct packet *packet;
        if (got <= 0)
            return;
        packet = way->under_way < UNDER_WAY ? malloc(sizeof *packet + (size_t)got) : NULL;
        if (!packet) {
            way->lost++;
            continue;
        }
        packet->length = (size_t)got;
        packet->due_ns = due(way, packet->length, now_ns());
        memcpy(packet->bytes, bytes, packet->length);
        way->under_way += packet->length;
        STAILQ_INSERT_TAIL(&way->packets, packet, next);
    }
}

static void hand_on(struct way *way)
{
    uint64_t now = now_ns();
    struct packet *packet;

    while ((packet = STAILQ_FIRST(&way->packets)) && packet->due_ns <= now) {
        if (write(way->to, packet->bytes, packet->length) < 0)
            way->lost++; /* the device is down */
        STAILQ_REMOVE_HEAD(&way->packets, next);
        way->under_way -= packet->length;
        free(packet);
    }
}

/* Until the next packet is due; for ever when none is under way. */
static const struct timespec *rest(const struct way ways[2], struct timespec *time)
{
    uint64_t next = UINT64_MAX, now = now_ns();

    for (int i = 0; i < 2; i++) {
        const struct packet *packet = STAILQ_FIRST(&ways[i].packets);
        if (packet && packet->due_ns < next)
            next = packet->due_ns;
    }
    if (next == UINT64_MAX)
        return NULL;
    next = next > now ? next - now : 0;
    time->tv_sec = (time_t)(next / 1000000000);
    time->tv_nsec = (long)(next % 1000000000);
    return time;
}

static void run(struct way ways[2], const sigset_t *normal)
{
    while (!stopping) {
        struct pollfd devices[2] = {{.fd = ways[0].from, .events = POLLIN},
                                    {.fd = ways[1].from, .events = POLLIN}};
        struct timespec time;
        if (ppoll(devices, 2, rest(ways, &time), normal) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < 2; i++) {
            if (devices[i].revents)
                take_in(&ways[i]);
            hand_on(&ways[i]);
        }
    }
}

static void catch_signals(sigset_t *normal)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, normal);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

int main(int count, char **words)
{
    struct way ways[2] = {0};
    sigset_t normal;
    int one, two;

    if (count < 4 || count > 5) {
        fprintf(stderr, "usage: line NAMESPACE NAMESPACE ROUND-TRIP-MS [MIB-A-SECOND]\n");
        return 2;
    }
    if ((one = open_device(words[1])) < 0 || (two = open_device(words[2])) < 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        ways[i].from = i == 0 ? one : two;
        ways[i].to = i == 0 ? two : one;
        ways[i].delay_ns = (uint64_t)(strtod(words[3], NULL) * 500000);
        ways[i].bytes_per_second = count == 5 ? (uint64_t)(strtod(words[4], NULL) * 1048576) : 0;
        STAILQ_INIT(&ways[i].packets);
    }
    catch_signals(&normal);
    printf("ready\n");
    fflush(stdout);
    run(ways, &normal);
    printf("lost %llu and %llu packets\n", (unsigned long long)ways[0].lost,
           (unsigned long long)ways[1].lost);
    return 0;
}
