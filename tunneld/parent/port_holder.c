/*
 * /proc/net/tcp and tcp6 tell the socket's inode, /proc/PID/fd tells whose it is, as far as this
 * user may look.
 */
#define _GNU_SOURCE
#include "parent/port_holder.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "parent/grants.h"
#include "parent/peer_text.h"

#define STATE_LISTEN 0x0a
#define COMM_SIZE    32

/* The kernel prints each 32-bit word of the address as the machine's own number. */
static bool literal_of(const char *hex, char out[LISTEN_ADDRESS_SIZE])
{
    uint32_t words[4];
    char text[INET6_ADDRSTRLEN];
    size_t length = strlen(hex);
    if (length != 8 && length != 32)
        return false;
    for (size_t i = 0; i < length / 8; i++) {
        char word[9] = "";
        memcpy(word, hex + 8 * i, 8);
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    return inet_ntop(length == 8 ? AF_INET : AF_INET6, words, text, sizeof text) &&
           listen_address_canonical(text, out, NULL) == 0;
}

static bool line_means(const char *line, const char *address, uint16_t port, unsigned long *inode)
{
    char hex[33], literal[LISTEN_ADDRESS_SIZE];
    unsigned line_port, state;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
    if (sscanf(line, " %*u: %32[0-9A-F]:%X %*[0-9A-F]:%*X %X %*s %*s %*s %*u %*u %lu", hex,
               &line_port, &state, inode) != 4)
        return false;
    return line_port == port && state == STATE_LISTEN && literal_of(hex, literal) &&
           listen_addresses_overlap(literal, address);
}

static bool find_inode(const char *table, const char *address, uint16_t port, unsigned long *inode)
{
    char line[512];
    bool found = false;
    FILE *file = fopen(table, "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = line_means(line, address, port, inode);
    if (file)
        (void)fclose(file);
    return found;
}

static bool process_has(const char *pid, const char *socket)
{
    char path[64], target[64];
    (void)snprintf(path, sizeof path, "/proc/%.16s/fd", pid);
    DIR *directory = opendir(path);
    bool found = false;
    const struct dirent *entry;
    while (directory && !found && (entry = readdir(directory))) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (length <= 0)
            continue;
        target[length] = '\0';
        found = strcmp(target, socket) == 0;
    }
    if (directory)
        (void)closedir(directory);
    return found;
}

static void name_process(const char *pid, char text[PORT_HOLDER_SIZE])
{
    char path[64], name[COMM_SIZE] = "a program", clean[COMM_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%.16s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        (void)fclose(file);
    peer_text(clean, sizeof clean, name);
    (void)snprintf(text, PORT_HOLDER_SIZE, "%s (pid %.16s)", clean, pid);
}

static bool find_process(unsigned long inode, char text[PORT_HOLDER_SIZE])
{
    char socket[64];
    (void)snprintf(socket, sizeof socket, "socket:[%lu]", inode);
    DIR *processes = opendir("/proc");
    bool found = false;
    const struct dirent *entry;
    while (processes && !found && (entry = readdir(processes))) {
        uint64_t pid;
        if (!text_parse_number(entry->d_name, 1, UINT32_MAX, &pid) ||
            !process_has(entry->d_name, socket))
            continue;
        name_process(entry->d_name, text);
        found = true;
    }
    if (processes)
        (void)closedir(processes);
    return found;
}

bool port_holder(const char *address, uint16_t port, char text[PORT_HOLDER_SIZE])
{
    unsigned long inode;
    if (!find_inode("/proc/net/tcp", address, port, &inode) &&
        !find_inode("/proc/net/tcp6", address, port, &inode))
        return false;
    if (!find_process(inode, text))
        (void)snprintf(text, PORT_HOLDER_SIZE, "another program on this machine");
    return true;
}
