/* A worker process between stock `ssh` and a test that plays the parent. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "suite.h"
#include "worker/worker.h"
#include "worker_rig.h"

static struct rig rig;

static void setup(void)
{
    rig_open(&rig, NULL);
}

static void setup_hasty(void)
{
    rig_open(&rig, "\"login_grace_ms\":300,\"keepalive_ms\":100,\"dead_peer_ms\":400,"
                   "\"login_tries\":3");
}

static void teardown(void)
{
    rig_close(&rig);
}

static bool said(const char *name, const char *words)
{
    return strstr(rig_read(&rig, name), words) != NULL;
}

/* --- login --- */

START_TEST(a_granted_key_gets_in_and_reads_its_status)
{
    rig.query_data = "site hannover\nall is well\n";
    pid_t ssh = rig_ssh(&rig, "hannover@127.0.0.1 status </dev/null");
    struct heard *probe = rig_wait(&rig, MESSAGE_IDENTIFY);
    ck_assert_str_eq(probe->user, "hannover");
    ck_assert_uint_eq(probe->flags, 0);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_IDENTIFY)->flags, MESSAGE_PROVEN);
    struct heard *up = rig_wait(&rig, MESSAGE_UP);
    ck_assert_ptr_nonnull(strstr(up->text, "OpenSSH"));
    ck_assert_ptr_nonnull(strchr(up->address, '-')); /* a cipher's name */
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_QUERY)->text, "status");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 0);
    ck_assert_str_eq(rig_read(&rig, "out"), rig.query_data);
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_GONE)->text, "closed by peer: disconnected by user");
}
END_TEST

START_TEST(a_refused_key_does_not_get_in)
{
    rig.identify = VERDICT_REFUSED;
    pid_t ssh = rig_ssh(&rig, "-o PreferredAuthentications=publickey,password "
                              "-o NumberOfPasswordPrompts=0 hannover@127.0.0.1 status </dev/null");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
    rig_wait(&rig, MESSAGE_GONE);
    ck_assert(!rig_has(&rig, MESSAGE_UP));
    ck_assert(!rig_has(&rig, MESSAGE_QUERY));
    ck_assert(said("err", "Permission denied (publickey)"));
}
END_TEST

static void write_askpass(const char *answer)
{
    char path[RIG_PATH_SIZE + 32], script[128];
    struct fault fault = {""};

    (void)snprintf(path, sizeof path, "%s/askpass", rig.directory);
    (void)snprintf(script, sizeof script, "#!/bin/sh\necho '%s'\n", answer);
    ck_assert_int_eq(file_write(path, script, strlen(script), 0700, &fault), 0);
    setenv("SSH_ASKPASS", path, 1);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
}

START_TEST(enrolment_proves_a_key_and_redeems_a_token)
{
    rig.identify = VERDICT_PARTIAL;
    rig.query_data = "Welcome, hannover.\n";
    write_askpass("34nv6nut6w.secret");
    pid_t ssh = rig_ssh(&rig, "enrol@127.0.0.1 </dev/null");
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_REDEEM)->text, "34nv6nut6w.secret");
    rig_wait(&rig, MESSAGE_UP);
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_QUERY)->text, "enrolled");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 0);
    ck_assert_str_eq(rig_read(&rig, "out"), rig.query_data);
    ck_assert(said("err", "Welcome, hannover."));
}
END_TEST

START_TEST(a_wrong_token_does_not_get_in)
{
    rig.identify = VERDICT_PARTIAL;
    rig.redeem = VERDICT_REFUSED;
    write_askpass("wrong");
    pid_t ssh = rig_ssh(&rig, "enrol@127.0.0.1 </dev/null");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
    rig_wait(&rig, MESSAGE_GONE);
    ck_assert(!rig_has(&rig, MESSAGE_UP));
}
END_TEST

/* Stock ssh asks only for methods that are offered; this client does not care.  Exits 0 if it was
 * refused. */
static pid_t start_rude_client(void)
{
    pid_t process = fork();
    bool off = false;

    ck_assert_int_ge(process, 0);
    if (process > 0)
        return process;
    ssh_session session = ssh_new();
    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
    ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(session, SSH_OPTIONS_PORT, &rig.port);
    if (ssh_connect(session) != SSH_OK)
        _exit(1);
    _exit(ssh_userauth_kbdint(session, "enrol", NULL) == SSH_AUTH_DENIED ? 0 : 2);
}

START_TEST(no_token_is_asked_for_without_a_proven_key)
{
    pid_t client = start_rude_client();

    ck_assert_int_eq(rig_wait_exit(&rig, client), 0);
    rig_wait(&rig, MESSAGE_GONE);
}
END_TEST

START_TEST(one_that_has_enrolled_may_nothing_else)
{
    rig.identify = VERDICT_PARTIAL;
    write_askpass("34nv6nut6w.secret");
    pid_t ssh = rig_ssh(&rig, "-o ExitOnForwardFailure=yes -N -R 8443:127.0.0.1:1 enrol@127.0.0.1 "
                              "</dev/null");
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_REFUSAL)->text, "forward of port 8443");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
    ck_assert(!rig_has(&rig, MESSAGE_PUBLISH));
}
END_TEST

START_TEST(strangers_are_sent_away_in_time)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)rig.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char *const lines[] = {"", "GET / HTTP/1.0\r\n\r\n", "SSH-2.0-x\r\n\0\0\0\0\0\0\0",
                                        "SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff"};

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int stranger = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(stranger, (struct sockaddr *)&address, sizeof address), 0);
        size_t length = i < 2 ? strlen(lines[i]) : 18;
        ck_assert_int_eq(send(stranger, lines[i], length, 0), (ssize_t)length);
        struct heard *gone = rig_wait(&rig, MESSAGE_GONE);
        if (i == 0)
            ck_assert_str_eq(gone->text, "not logged in in time");
        close(stranger);
    }
    ck_assert(!rig.worker_gone);
}
END_TEST

START_TEST(login_tries_are_bounded)
{
    rig.identify = VERDICT_REFUSED;
    pid_t ssh = rig_ssh(&rig, "-o PreferredAuthentications=publickey -o CertificateFile=none "
                              "$(for i in 1 2 3 4 5; do ssh-keygen -q -t ed25519 -N '' -f k$i; "
                              "echo -i k$i; done) hannover@127.0.0.1 status </dev/null");
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_GONE)->text, "too many login attempts");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
}
END_TEST

/* --- what is refused --- */

static const struct {
    const char *words, *refusal;
} REFUSED[] = {
    {"hannover@127.0.0.1 ls", "command 'ls'"},
    {"hannover@127.0.0.1 status now", "command 'status now'"},
    {"-s hannover@127.0.0.1 sftp", "subsystem 'sftp'"},
};

START_TEST(other_requests_are_refused_and_told)
{
    char remote[128];
    pid_t ssh = rig_ssh(&rig, "%s </dev/null", REFUSED[_i].words);

    ck_assert_str_eq(rig_wait(&rig, MESSAGE_REFUSAL)->text, REFUSED[_i].refusal);
    ck_assert_int_ne(rig_wait_exit(&rig, ssh), 0);
    (void)snprintf(remote, sizeof remote, "Remote: refused by the hub: %s", REFUSED[_i].refusal);
    ck_assert(said("err", remote));
    rig_wait(&rig, MESSAGE_GONE);
}
END_TEST

START_TEST(a_refused_terminal_does_not_stop_the_status)
{
    rig.query_data = "all is well\n";
    pid_t ssh = rig_ssh(&rig, "hannover@127.0.0.1 </dev/null");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 0);
    ck_assert_str_eq(rig_read(&rig, "out"), "all is well\n");
    ck_assert(!rig_has(&rig, MESSAGE_REFUSAL));
}
END_TEST

START_TEST(a_refused_command_says_why)
{
    rig.query = VERDICT_REFUSED;
    rig.refusal = "not today";
    pid_t ssh = rig_ssh(&rig, "hannover@127.0.0.1 forwards </dev/null");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 1);
    ck_assert(said("err", "not today\n"));
}
END_TEST

/* --- forwards --- */

static void connect_visitor(uint64_t cid, uint64_t port, int visitor)
{
    struct message message;

    message_init(&message, MESSAGE_CONNECT);
    message.cid = cid;
    message.sid = rig.last_sid;
    message.port = port;
    strcpy(message.address, "localhost");
    strcpy(message.peer, "[2001:db8::1]:50122");
    message.timeout_ms = 30000;
    message.descriptor = visitor;
    pipe_send(rig.pipe, &message);
    close(visitor);
}

static int listen_target(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 16), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

static ssize_t receive(int socket, char *text, size_t size)
{
    ssize_t got;

    while ((got = recv(socket, text, size, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
        rig_run(&rig, 1);
    return got;
}

static int come_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(visitor, (struct sockaddr *)&address, sizeof address), 0);
    return visitor;
}

static int accept_target(int listener)
{
    int target;

    while ((target = accept(listener, NULL, NULL)) < 0)
        rig_run(&rig, 1);
    return target;
}

/* A listening socket that is lent: who is gone soon is told of then, who stays is introduced. */
START_TEST(visitors_are_accepted_here)
{
    int port, listener = listen_target(&port), lent_port, lent = listen_target(&lent_port);
    struct message listen;
    char byte;

    pid_t ssh = rig_ssh(&rig, "-N -R 8443:127.0.0.1:%d hannover@127.0.0.1", port);
    rig_wait(&rig, MESSAGE_PUBLISH);
    message_init(&listen, MESSAGE_LISTEN);
    listen.sid = rig.last_sid;
    listen.port = 8443;
    listen.generation = 3;
    listen.timeout_ms = 30000;
    listen.descriptor = lent;
    strcpy(listen.address, "localhost");
    pipe_send(rig.pipe, &listen);

    int visitor = come_to(lent_port), target = accept_target(listener);
    ck_assert_int_eq(send(visitor, "q", 1, 0), 1);
    ck_assert_int_eq(receive(target, &byte, 1), 1);
    close(visitor);
    close(target);
    struct heard *visited = rig_wait(&rig, MESSAGE_VISITED);
    ck_assert_uint_eq(visited->cid, 1);
    ck_assert_uint_eq(visited->port, 8443);
    ck_assert_uint_eq(visited->bytes_in, 1);
    ck_assert(!rig_has(&rig, MESSAGE_VISITOR));

    visitor = come_to(lent_port);
    target = accept_target(listener);
    struct heard *stays = rig_wait(&rig, MESSAGE_VISITOR);
    ck_assert_uint_eq(stays->cid, 2);
    ck_assert_uint_eq(stays->code, VERDICT_GRANTED);
    ck_assert_uint_eq(stays->generation, 3);
    close(target);
    close(visitor);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_CLOSED)->cid, 2);

    close(listener); /* the site refuses the next */
    visitor = come_to(lent_port);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_VISITOR)->code, VERDICT_REFUSED);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_OPENED)->code, VERDICT_REFUSED);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_CLOSED)->cid, 3);
    close(visitor);

    listen.type = MESSAGE_UNLISTEN;
    listen.descriptor = -1;
    pipe_send(rig.pipe, &listen);
    rig_run(&rig, 100);
    visitor = come_to(lent_port);
    rig_run(&rig, 100);
    int queued = accept(lent, NULL, NULL);
    ck_assert_int_ge(queued, 0); /* nobody else took it */
    close(queued);
    close(visitor);
    close(lent);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
}
END_TEST

START_TEST(a_forward_is_published_and_carries_connections)
{
    int port, listener = listen_target(&port), visitor[2], target;
    char text[32];

    pid_t ssh = rig_ssh(&rig, "-N -R 8443:127.0.0.1:%d hannover@127.0.0.1", port);
    struct heard *publish = rig_wait(&rig, MESSAGE_PUBLISH);
    ck_assert_str_eq(publish->address, "localhost");
    ck_assert_uint_eq(publish->port, 8443);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, visitor), 0);
    connect_visitor(77, 8443, visitor[1]);
    struct heard *opened = rig_wait(&rig, MESSAGE_OPENED);
    ck_assert_uint_eq(opened->cid, 77);
    ck_assert_uint_eq(opened->code, VERDICT_GRANTED);
    while ((target = accept(listener, NULL, NULL)) < 0)
        rig_run(&rig, 1);
    ck_assert_int_eq(send(visitor[0], "question", 8, 0), 8);
    shutdown(visitor[0], SHUT_WR);
    ck_assert_int_eq(receive(target, text, sizeof text), 8);
    ck_assert_int_eq(receive(target, text, sizeof text), 0);
    ck_assert_int_eq(send(target, "answer", 6, 0), 6);
    close(target);
    ck_assert_int_eq(receive(visitor[0], text, sizeof text), 6);
    ck_assert_int_eq(receive(visitor[0], text, sizeof text), 0);
    struct heard *closed = rig_wait(&rig, MESSAGE_CLOSED);
    ck_assert_uint_eq(closed->cid, 77);
    ck_assert_uint_eq(closed->bytes_in, 8);
    ck_assert_uint_eq(closed->bytes_out, 6);
    ck_assert_str_eq(closed->text, "finished");
    close(visitor[0]);
    close(listener);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
    rig_wait(&rig, MESSAGE_GONE);
}
END_TEST

START_TEST(a_target_that_refuses_closes_the_connection)
{
    int port, listener = listen_target(&port), visitor[2];
    char text[8];

    close(listener);
    pid_t ssh = rig_ssh(&rig, "-N -R 8443:127.0.0.1:%d hannover@127.0.0.1", port);
    rig_wait(&rig, MESSAGE_PUBLISH);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, visitor), 0);
    connect_visitor(78, 8443, visitor[1]);
    struct heard *opened = rig_wait(&rig, MESSAGE_OPENED);
    ck_assert_uint_eq(opened->code, VERDICT_REFUSED);
    ck_assert_msg(strstr(opened->text, "refused by the site: ") != NULL, "%s", opened->text);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_CLOSED)->cid, 78);
    ck_assert_int_eq(receive(visitor[0], text, sizeof text), 0);
    close(visitor[0]);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
}
END_TEST

START_TEST(port_0_is_told_which_it_became)
{
    rig.bound_port = 9443;
    pid_t ssh = rig_ssh(&rig, "-N -R 0:127.0.0.1:1 hannover@127.0.0.1");
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_PUBLISH)->port, 0);
    while (!said("err", "Allocated port 9443"))
        rig_run(&rig, 5);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
}
END_TEST

START_TEST(a_refused_forward_says_why)
{
    rig.publish = VERDICT_REFUSED;
    rig.refusal = "port 8443 is not granted";
    pid_t ssh = rig_ssh(&rig, "-N -o ExitOnForwardFailure=yes -R 8443:127.0.0.1:1 "
                              "hannover@127.0.0.1");
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
    ck_assert(said("err", "Remote: port 8443 is not granted"));
}
END_TEST

START_TEST(a_forward_is_cancelled)
{
    pid_t ssh = rig_ssh(&rig, "-M -S mux -N -R 8443:127.0.0.1:1 hannover@127.0.0.1");
    rig_wait(&rig, MESSAGE_PUBLISH);
    char command[RIG_PATH_SIZE + 128];
    (void)snprintf(command, sizeof command,
                   "cd %s; while ! [ -S mux ]; do sleep 0.01; done; "
                   "ssh -S mux -O cancel -R 8443:127.0.0.1:1 x 2>/dev/null &",
                   rig.directory);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a name of mkdtemp's */
    struct heard *unpublish = rig_wait(&rig, MESSAGE_UNPUBLISH);
    ck_assert_str_eq(unpublish->address, "localhost");
    ck_assert_uint_eq(unpublish->port, 8443);
    rig_run(&rig, 50);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
}
END_TEST

static void send_snapshot(const char *piece, bool last)
{
    struct message message;

    message_init(&message, MESSAGE_SNAPSHOT);
    message.sid = rig.last_sid;
    message.generation = 7;
    message.flags = last ? MESSAGE_LAST : 0;
    message.data = (const uint8_t *)piece;
    message.data_length = strlen(piece);
    pipe_send(rig.pipe, &message);
}

/* `ssh hannover@hub forwards`, its input fed from a FIFO. */
static pid_t follow(FILE **input)
{
    char path[RIG_PATH_SIZE + 32];

    (void)snprintf(path, sizeof path, "%s/in", rig.directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    pid_t ssh = rig_ssh(&rig, "hannover@127.0.0.1 forwards <in");
    *input = fopen(path, "w");
    ck_assert_ptr_nonnull(*input);
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_QUERY)->text, "forwards");
    return ssh;
}

START_TEST(the_forwards_channel_carries_lists_and_reports)
{
    FILE *input;
    pid_t ssh = follow(&input);

    send_snapshot("{\"generation\":7,", false);
    send_snapshot("\"forwards\":[]}\n", true);
    while (strcmp(rig_read(&rig, "out"), "{\"generation\":7,\"forwards\":[]}\n") != 0)
        rig_run(&rig, 2);
    (void)fprintf(input, "{\"generation\":7,\"refused\":[]}\n");
    (void)fflush(input);
    struct heard *report = rig_wait(&rig, MESSAGE_REPORT);
    ck_assert_uint_eq(report->generation, 7);
    ck_assert_uint_eq(report->port, 0);
    (void)fprintf(input,
                  "{\"generation\":8,\"refused\":[{\"port\":8443,\"reason\":\"caf\xc3\xa9\"},"
                  "{\"port\":22,\"reason\":\"no\"}]}\n"
                  "{\"failed\":{\"port\":8443,\"reason\":\"Connection refused\"}}\n");
    (void)fflush(input);
    report = rig_wait(&rig, MESSAGE_REPORT);
    ck_assert_uint_eq(report->port, 8443);
    ck_assert_uint_eq(report->generation, 8);
    ck_assert_str_eq(report->text, "caf??");
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_REPORT)->port, 22);
    report = rig_wait(&rig, MESSAGE_REPORT);
    ck_assert_uint_eq(report->flags, MESSAGE_FAILED);
    ck_assert_str_eq(report->text, "Connection refused");
    (void)fprintf(input, "{\"generation\":9,\"refused\":[],\"refused_outbound\":["
                         "{\"listen\":\"[::1]:5432\",\"reason\":\"not here\"}]}\n");
    (void)fflush(input);
    ck_assert_uint_eq(rig_wait(&rig, MESSAGE_REPORT)->flags, 0);
    report = rig_wait(&rig, MESSAGE_REPORT);
    ck_assert_uint_eq(report->flags, MESSAGE_OUTBOUND);
    ck_assert_uint_eq(report->generation, 9);
    ck_assert_uint_eq(report->port, 0);
    report = rig_wait(&rig, MESSAGE_REPORT);
    ck_assert_uint_eq(report->flags, MESSAGE_OUTBOUND);
    ck_assert_uint_eq(report->port, 5432);
    ck_assert_str_eq(report->text, "not here");
    (void)fclose(input);
    ck_assert_int_ge(rig_wait_exit(&rig, ssh), 0);
}
END_TEST

static const char *const MALFORMED[] = {
    "hello\n",
    "[]\n",
    "{}\n",
    "{\"generation\":-1,\"refused\":[]}\n",
    "{\"generation\":1,\"refused\":[],\"refused_outbound\":{}}\n",
    "{\"generation\":1,\"refused\":[],\"refused_outbound\":[{\"listen\":\"a\",\"reason\":\"\"}]}\n",
    "{\"generation\":1,\"refused\":[],\"refused_outbound\":[{\"listen\":\"[::1]:1\"}]}\n",
    "{\"generation\":1,\"refused\":[{\"port\":70000,\"reason\":\"x\"}]}\n",
    "{\"failed\":{\"port\":1}}\n",
};

START_TEST(a_malformed_line_ends_the_session)
{
    FILE *input;
    pid_t ssh = follow(&input);

    (void)fputs(MALFORMED[_i], input);
    (void)fflush(input);
    struct heard *gone = rig_wait(&rig, MESSAGE_GONE);
    ck_assert_ptr_nonnull(strstr(gone->text, "protocol error: forwards channel"));
    (void)fclose(input);
    rig_wait_exit(&rig, ssh);
    ck_assert(!rig.worker_gone);
}
END_TEST

/* --- ends --- */

static void send_close(uint64_t sid, uint64_t cid, const char *reason)
{
    struct message message;

    message_init(&message, MESSAGE_CLOSE);
    message.sid = sid;
    message.cid = cid;
    (void)snprintf(message.text, sizeof message.text, "%s", reason);
    pipe_send(rig.pipe, &message);
}

START_TEST(closing_a_session_closes_its_connections_first)
{
    int port, listener = listen_target(&port), visitor[2];

    pid_t ssh = rig_ssh(&rig, "-N -R 8443:127.0.0.1:%d hannover@127.0.0.1", port);
    rig_wait(&rig, MESSAGE_PUBLISH);
    for (uint64_t cid = 1; cid <= 3; cid++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, visitor), 0);
        connect_visitor(cid, 8443, visitor[1]);
        rig_wait(&rig, MESSAGE_OPENED);
        if (cid == 1)
            send_close(0, cid, "closed by an operator");
        if (cid == 1)
            ck_assert_str_eq(rig_wait(&rig, MESSAGE_CLOSED)->text, "closed by an operator");
    }
    send_close(rig.last_sid, 0, "site disabled");
    while (!rig_has(&rig, MESSAGE_GONE))
        rig_run(&rig, 1);
    struct heard *last = &rig.heard[rig.heard_count - 1];
    ck_assert_int_eq(last->type, MESSAGE_GONE);
    ck_assert_str_eq(last->text, "site disabled");
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_CLOSED)->text, "site disabled");
    rig_wait(&rig, MESSAGE_CLOSED);
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
    ck_assert(said("err", "site disabled"));
    close(listener);
}
END_TEST

START_TEST(a_silent_peer_is_given_up)
{
    pid_t ssh = rig_ssh(&rig, "-N hannover@127.0.0.1");

    rig_wait(&rig, MESSAGE_UP);
    rig_run(&rig, 800); /* idle, but it answers */
    ck_assert(!rig_has(&rig, MESSAGE_GONE));
    ck_assert(rig_has(&rig, MESSAGE_ALIVE));
    kill(ssh, SIGSTOP);
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_GONE)->text, "no answer for 400 ms");
    kill(ssh, SIGKILL);
    rig_wait_exit(&rig, ssh);
}
END_TEST

START_TEST(a_probe_is_answered)
{
    struct message probe;
    pid_t ssh = rig_ssh(&rig, "-N hannover@127.0.0.1");

    rig_wait(&rig, MESSAGE_UP);
    rig_wait(&rig, MESSAGE_ALIVE);
    message_init(&probe, MESSAGE_PROBE);
    probe.sid = rig.last_sid;
    pipe_send(rig.pipe, &probe);
    rig_wait(&rig, MESSAGE_ALIVE);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
}
END_TEST

static unsigned count_in(const char *text, const char *what)
{
    unsigned count = 0;

    for (; (text = strstr(text, what)); text++)
        count++;
    return count;
}

/* The answer to a keepalive that was under way before may have been sent by a peer that is gone
 * now, and tells no more than any byte: the worker asks once more. */
START_TEST(an_older_answer_is_no_answer)
{
    struct message probe;
    pid_t ssh = rig_ssh(&rig, "-v -N hannover@127.0.0.1");

    rig_wait(&rig, MESSAGE_UP);
    rig_wait(&rig, MESSAGE_ALIVE);
    rig_run(&rig, 20);
    message_init(&probe, MESSAGE_PROBE);
    probe.sid = rig.last_sid;
    kill(ssh, SIGSTOP);
    pipe_send(rig.pipe, &probe);
    rig_run(&rig, 50);
    size_t before = rig.heard_count;
    unsigned asked = count_in(rig_read(&rig, "err"), "keepalive@openssh.com");
    pipe_send(rig.pipe, &probe);
    kill(ssh, SIGCONT);
    while (rig.heard_count == before || rig.heard[rig.heard_count - 1].type != MESSAGE_ALIVE)
        rig_run(&rig, 1);
    ck_assert_int_eq(rig.heard[before].type, MESSAGE_HEARD);
    ck_assert_uint_eq(count_in(rig_read(&rig, "err"), "keepalive@openssh.com"), asked + 2);
    kill(ssh, SIGTERM);
    rig_wait_exit(&rig, ssh);
}
END_TEST

START_TEST(a_heartbeat_is_answered)
{
    struct message ping;

    message_init(&ping, MESSAGE_PING);
    ping.request = 7;
    pipe_send(rig.pipe, &ping);
    rig_wait(&rig, MESSAGE_PONG);
}
END_TEST

START_TEST(a_drained_worker_ends_its_sessions_and_itself)
{
    struct message drain;
    pid_t ssh = rig_ssh(&rig, "-N hannover@127.0.0.1");

    rig_wait(&rig, MESSAGE_UP);
    message_init(&drain, MESSAGE_DRAIN);
    strcpy(drain.text, "the hub stops");
    pipe_send(rig.pipe, &drain);
    ck_assert_str_eq(rig_wait(&rig, MESSAGE_GONE)->text, "the hub stops");
    while (!rig.worker_gone)
        rig_run(&rig, 1);
    ck_assert_int_eq(rig_wait_exit(&rig, ssh), 255);
}
END_TEST

START_TEST(a_host_key_is_never_replaced)
{
    char path[RIG_PATH_SIZE + 32];
    struct fault fault = {""};
    struct stat info;

    (void)snprintf(path, sizeof path, "%s/host_key", rig.directory);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    ck_assert_int_eq(host_key_generate(path, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.text, "exists already"));
    ck_assert_int_eq(strncmp(rig_read(&rig, "host_key.pub"), "ssh-ed25519 AAAA", 16), 0);
}
END_TEST

static void add_tests(TCase *group)
{
    tcase_add_test(group, a_granted_key_gets_in_and_reads_its_status);
    tcase_add_test(group, a_refused_key_does_not_get_in);
    tcase_add_test(group, enrolment_proves_a_key_and_redeems_a_token);
    tcase_add_test(group, a_wrong_token_does_not_get_in);
    tcase_add_test(group, no_token_is_asked_for_without_a_proven_key);
    tcase_add_test(group, one_that_has_enrolled_may_nothing_else);
    tcase_add_loop_test(group, other_requests_are_refused_and_told, 0,
                        (int)(sizeof REFUSED / sizeof *REFUSED));
    tcase_add_test(group, a_refused_terminal_does_not_stop_the_status);
    tcase_add_test(group, a_refused_command_says_why);
    tcase_add_test(group, a_forward_is_published_and_carries_connections);
    tcase_add_test(group, visitors_are_accepted_here);
    tcase_add_test(group, a_target_that_refuses_closes_the_connection);
    tcase_add_test(group, port_0_is_told_which_it_became);
    tcase_add_test(group, a_refused_forward_says_why);
    tcase_add_test(group, a_forward_is_cancelled);
    tcase_add_test(group, the_forwards_channel_carries_lists_and_reports);
    tcase_add_loop_test(group, a_malformed_line_ends_the_session, 0,
                        (int)(sizeof MALFORMED / sizeof *MALFORMED));
    tcase_add_test(group, closing_a_session_closes_its_connections_first);
    tcase_add_test(group, a_probe_is_answered);
    tcase_add_test(group, an_older_answer_is_no_answer);
    tcase_add_test(group, a_heartbeat_is_answered);
    tcase_add_test(group, a_drained_worker_ends_its_sessions_and_itself);
    tcase_add_test(group, a_host_key_is_never_replaced);
}

int main(void)
{
    Suite *suite = suite_create("worker");
    TCase *group = tcase_create("worker"), *hasty = tcase_create("hasty");

    tcase_add_checked_fixture(group, setup, teardown);
    tcase_set_timeout(group, 30);
    add_tests(group);
    suite_add_tcase(suite, group);
    tcase_add_checked_fixture(hasty, setup_hasty, teardown);
    tcase_set_timeout(hasty, 30);
    tcase_add_test(hasty, strangers_are_sent_away_in_time);
    tcase_add_test(hasty, login_tries_are_bounded);
    tcase_add_test(hasty, a_silent_peer_is_given_up);
    suite_add_tcase(suite, hasty);
    return suite_run(suite);
}
