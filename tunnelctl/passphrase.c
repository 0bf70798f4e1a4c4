/*
 * A line from the controlling terminal with its echo off.  Whatever ends the reading, the echo
 * comes back: a signal that would end the program is delivered once that is done.
 */
#define _GNU_SOURCE
#include "tunnelctl/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define ENDING_COUNT (sizeof(ending) / sizeof(*ending))

static volatile sig_atomic_t came;

static void on_signal(int number)
{
    came = number;
}

struct handlers {
    struct sigaction before[ENDING_COUNT], stop;
    sigset_t mask;
};

/* Blocked but while waiting, so that none comes just before it and is slept over. */
static void catch_signals(struct handlers *handlers)
{
    struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;
    came = 0;
    sigemptyset(&blocked);
    for (size_t i = 0; i < ENDING_COUNT; i++)
        sigaddset(&blocked, ending[i]);
    sigprocmask(SIG_BLOCK, &blocked, &handlers->mask);
    for (size_t i = 0; i < ENDING_COUNT; i++)
        sigaction(ending[i], &action, &handlers->before[i]);
    sigaction(SIGTSTP, &ignore, &handlers->stop);
}

static void release_signals(const struct handlers *handlers)
{
    for (size_t i = 0; i < ENDING_COUNT; i++)
        sigaction(ending[i], &handlers->before[i], NULL);
    sigaction(SIGTSTP, &handlers->stop, NULL);
    sigprocmask(SIG_SETMASK, &handlers->mask, NULL);
    if (came != 0)
        raise(came);
}

static void say(int terminal, const char *text)
{
    (void)!write(terminal, text, strlen(text));
}

/* Its length; -1: the terminal ended, a signal came, or it is too long. */
static ssize_t read_line(int terminal, const sigset_t *mask, char *line, size_t size)
{
    struct pollfd polled = {.fd = terminal, .events = POLLIN};
    size_t used = 0;
    while (used < size) {
        if (ppoll(&polled, 1, NULL, mask) < 0 && errno == EINTR && came == 0)
            continue;
        if (came != 0 || read(terminal, line + used, 1) <= 0)
            return -1;
        if (line[used] == '\n') {
            line[used] = '\0';
            return (ssize_t)used;
        }
        used++;
    }
    return -1;
}

static ssize_t ask(int terminal, const sigset_t *mask, const char *question, char *line)
{
    struct termios shown, hidden;
    if (tcgetattr(terminal, &shown) < 0)
        return -1;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    (void)tcsetattr(terminal, TCSAFLUSH, &hidden);
    say(terminal, question);
    ssize_t length = read_line(terminal, mask, line, PASSPHRASE_SIZE);
    say(terminal, "\n");
    (void)tcsetattr(terminal, TCSAFLUSH, &shown);
    return length;
}

int passphrase_ask(const char *question, char passphrase[PASSPHRASE_SIZE], struct fault *fault)
{
    struct handlers handlers;
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0)
        return fault_set(fault, "there is no terminal to ask for its passphrase on");
    catch_signals(&handlers);
    ssize_t length = ask(terminal, &handlers.mask, question, passphrase);
    release_signals(&handlers);
    (void)close(terminal);
    if (length > 0)
        return 0;
    secret_wipe(passphrase, PASSPHRASE_SIZE);
    return fault_set(fault, "no passphrase was given");
}
