#!/usr/bin/python3
"""Visitors and targets with the manners that ordinary clients do not have.

    peer.py free N [ADDRESS]                    N ports that nobody listens on
    peer.py serve MODE ADDRESS [SIZE]           a target; prints "port N", then a line a connection
    peer.py visit MODE ADDRESS PORT [ARGUMENT]  a visitor; exit code 0 when all was as it should be

Standard library only; every wait has a limit.
"""
import errno
import hashlib
import os
import random
import resource
import selectors
import socket
import struct
import sys
import threading
import time

LIMIT_S = 60 * int(os.environ.get("SLOW", "1"))
BLOCK = 1 << 20


def say(*words):
    # One write, so that lines of several threads stay apart.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(address, port, receive_buffer=0, source=None):
    sock = socket.socket(family_of(address))
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        sock.bind((source, 0))
    sock.settimeout(LIMIT_S)
    sock.connect((address, int(port)))
    return sock


def reset(sock):
    """Closes so that the peer gets a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_all(sock, digest=None):
    """Reads to the end; how it ended ("eof", "reset", "timeout") and how many bytes came."""
    total, buffer = 0, bytearray(BLOCK)
    while True:
        try:
            count = sock.recv_into(buffer)
        except ConnectionError:
            return "reset", total
        except socket.timeout:
            return "timeout", total
        if count == 0:
            return "eof", total
        total += count
        if digest:
            digest.update(memoryview(buffer)[:count])


def send_pattern(sock, size, seed):
    """Sends `size` bytes, no two blocks alike; their SHA-256."""
    digest = hashlib.sha256()
    block = bytearray(hashlib.shake_128(seed.encode()).digest(BLOCK))
    sent = 0
    while sent < size:
        block[:8] = struct.pack("<Q", sent)
        part = memoryview(block)[: min(BLOCK, size - sent)]
        digest.update(part)
        sock.sendall(part)
        sent += len(part)
    return digest.hexdigest()


# --- targets ----------------------------------------------------------------------------------


def serve_echo(sock, _):
    total = 0
    while True:
        data = sock.recv(BLOCK)
        if not data:
            break
        total += len(data)
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    return "eof", total


def serve_hello(sock, size):
    """Speaks first, then echoes."""
    sock.sendall(b"hello from the target\n")
    return serve_echo(sock, size)


def serve_answer(sock, _):
    """Answers only after the visitor has ended its half."""
    digest = hashlib.sha256()
    end, total = read_all(sock, digest)
    sock.sendall(("%d %s\n" % (total, digest.hexdigest())).encode())
    return end, total


def serve_goodbye(sock, _):
    """Ends its own half at once, and goes on reading."""
    sock.sendall(b"goodbye\n")
    sock.shutdown(socket.SHUT_WR)
    return read_all(sock)


def serve_reset(sock, _):
    sock.recv(BLOCK)
    reset(sock)
    return "resets", 0


def serve_sink(sock, _):
    return read_all(sock)


def serve_source(sock, size):
    """Sends `size` bytes (0: endlessly), reading nothing; then ends its half."""
    sent, block = 0, bytes(65536)
    try:
        while not size or sent < size:
            sent += sock.send(block[: min(len(block), size - sent) if size else len(block)])
        sock.shutdown(socket.SHUT_WR)
    except ConnectionError:
        return "reset", sent
    except socket.timeout:
        return "timeout", sent
    return read_all(sock)[0], sent


def serve_stall(_sock, _):
    """Never reads."""
    time.sleep(LIMIT_S)
    return "timeout", 0


def serve_both(sock, size):
    """Sends and receives at once; says what it sent and what it got."""
    got = hashlib.sha256()
    result = {}

    def receive():
        result["end"], result["total"] = read_all(sock, got)

    thread = threading.Thread(target=receive)
    thread.start()
    sent = send_pattern(sock, size, "target")
    sock.shutdown(socket.SHUT_WR)
    thread.join()
    say("sent", size, sent)
    say("got", result["total"], got.hexdigest())
    return result["end"], result["total"]


class Gauge:
    """Bytes of all connections; says the total every 100 ms."""

    def __init__(self):
        self.total, self.lock = 0, threading.Lock()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            say("total", self.total, int(time.monotonic() * 1000))
            time.sleep(0.1)

    def read_all(self, sock):
        buffer = bytearray(BLOCK)
        while True:
            count = sock.recv_into(buffer)
            if count == 0:
                return
            with self.lock:
                self.total += count


def serve_gauge():
    """Reads, and says how many bytes all connections brought so far."""
    gauge = Gauge()

    def one(sock, _):
        gauge.read_all(sock)
        return "eof", 0

    return one


TARGETS = {
    "echo": serve_echo,
    "hello": serve_hello,
    "answer": serve_answer,
    "goodbye": serve_goodbye,
    "reset": serve_reset,
    "sink": serve_sink,
    "source": serve_source,
    "stall": serve_stall,
    "both": serve_both,
}


def serve_deaf(address):
    """A listener whose backlog is full: who connects hears nothing at all."""
    listener = socket.socket(family_of(address))
    listener.bind((address, 0))
    listener.listen(0)
    fillers = [socket.socket(family_of(address)) for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    time.sleep(0.2)
    say("port", listener.getsockname()[1])
    time.sleep(600)


def serve(mode, address, size="0"):
    raise_descriptor_limit()
    threading.stack_size(1 << 19)
    if mode == "deaf":
        serve_deaf(address)
    answer = serve_gauge() if mode == "gauge" else TARGETS[mode]
    listener = socket.socket(family_of(address))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 0))
    listener.listen(4096)
    say("port", listener.getsockname()[1])

    def one(sock):
        sock.settimeout(LIMIT_S)
        try:
            end, total = answer(sock, int(size))
        except ConnectionError:
            end, total = "reset", -1
        except socket.timeout:
            end, total = "timeout", -1
        sock.close()
        say("connection", "end=" + end, "bytes=%d" % total)

    while True:
        sock = listener.accept()[0]
        threading.Thread(target=one, args=(sock,), daemon=True).start()


# --- visitors ---------------------------------------------------------------------------------


def want(condition, sentence):
    if not condition:
        say("wrong:", sentence)
        sys.exit(1)


def visit_echo(address, port, size="100000"):
    """Sends, ends its half, wants all of it back."""
    sock = connect(address, port)
    result = {}
    got = hashlib.sha256()

    def receive():
        result["end"], result["total"] = read_all(sock, got)

    thread = threading.Thread(target=receive)
    thread.start()
    sent = send_pattern(sock, int(size), "visitor")
    sock.shutdown(socket.SHUT_WR)
    thread.join()
    want(result["end"] == "eof", "ended with " + result["end"])
    want(got.hexdigest() == sent, "%d bytes came back, or other bytes" % result["total"])


def visit_answer(address, port, size="300000"):
    """The visitor ends its half first and still gets its answer."""
    sock = connect(address, port)
    digest = send_pattern(sock, int(size), "visitor")
    sock.shutdown(socket.SHUT_WR)
    answer = b""
    while not answer.endswith(b"\n"):
        data = sock.recv(4096)
        want(data, "the answer was cut off: %r" % answer)
        answer += data
    want(answer.decode() == "%d %s\n" % (int(size), digest), "answer %r" % answer)
    want(sock.recv(1) == b"", "more came after the answer")


def visit_goodbye(address, port, size="300000"):
    """The target ends its half first and still gets everything."""
    sock = connect(address, port)
    data = b""
    while True:
        part = sock.recv(4096)
        if not part:
            break
        data += part
    want(data == b"goodbye\n", "got %r" % data)
    send_pattern(sock, int(size), "visitor")
    sock.close()


def visit_hello(address, port, *_):
    """Says nothing until the target has spoken."""
    sock = connect(address, port)
    data = sock.recv(100)
    want(data == b"hello from the target\n", "got %r" % data)
    sock.sendall(b"and back\n")
    want(sock.recv(100) == b"and back\n", "no echo")
    sock.close()


def visit_reset(address, port, *_):
    """Sends a little and resets."""
    sock = connect(address, port)
    sock.sendall(b"x" * 1000)
    time.sleep(0.3)  # so that the reset cannot overtake the bytes on its way through the kernel
    reset(sock)


def visit_expect_reset(address, port, *_):
    try:
        sock = connect(address, port)
        sock.sendall(b"please\n")
    except ConnectionResetError:
        return
    end, total = read_all(sock)
    want(end == "reset", "ended with %s after %d bytes" % (end, total))


def visit_stall(address, port, seconds="30"):
    """Reads a little and then nothing, with a small buffer, until told to end or the time is over."""
    sock = connect(address, port, 4096)
    sock.sendall(b"go\n")
    sock.recv(1000)
    say("stalled")
    time.sleep(float(seconds))


def visit_hold(address, port, count="1"):
    """Opens connections and keeps them until the end of standard input."""
    raise_descriptor_limit()
    socks = [connect(address, port) for _ in range(int(count))]
    say("open", len(socks))
    sys.stdin.read()


def visit_exchange(address, port, seconds="10"):
    """One connection, a byte to and fro all the time; wants no gap and no end."""
    sock = connect(address, port)
    end = time.monotonic() + float(seconds)
    count, slowest = 0, 0.0
    while time.monotonic() < end:
        begin = time.monotonic()
        sock.sendall(b"x")
        want(sock.recv(1) == b"x", "the connection ended after %d exchanges" % count)
        slowest = max(slowest, time.monotonic() - begin)
        count += 1
        if count == 1:
            say("first")
        time.sleep(0.005)
    say("exchanges", count, "slowest_ms", int(slowest * 1000))


def visit_both(address, port, size):
    """Sends and receives `size` bytes each way at once; says what it sent and what it got."""
    sock = connect(address, port)
    got = hashlib.sha256()
    result = {}

    def receive():
        result["end"], result["total"] = read_all(sock, got)

    thread = threading.Thread(target=receive)
    thread.start()
    begin = time.monotonic()
    sent = send_pattern(sock, int(size), "visitor")
    sock.shutdown(socket.SHUT_WR)
    thread.join()
    say("sent", size, sent)
    say("got", result["total"], got.hexdigest())
    say("seconds %.1f" % (time.monotonic() - begin))
    want(result["end"] == "eof", "ended with " + result["end"])


def visit_steady(address, port, until, mib_per_s="8"):
    """Sends at this rate until the file `until` is there; wants every byte back."""
    sock = connect(address, port)
    result = {}
    got, sent = hashlib.sha256(), hashlib.sha256()

    def receive():
        result["end"], result["total"] = read_all(sock, got)

    thread = threading.Thread(target=receive)
    thread.start()
    block = bytearray(hashlib.shake_128(b"steady").digest(65536))
    begin, total = time.monotonic(), 0
    while not os.path.exists(until):
        block[:8] = struct.pack("<Q", total)
        sock.sendall(block)
        sent.update(block)
        total += len(block)
        if total == 1 << 20:
            say("steady")
        time.sleep(max(0, begin + total / (float(mib_per_s) * (1 << 20)) - time.monotonic()))
    sock.shutdown(socket.SHUT_WR)
    thread.join()
    say("bytes", total, "mib_per_s %.1f" % (total / (1 << 20) / (time.monotonic() - begin)))
    want(result["end"] == "eof", "ended with " + result["end"])
    want(got.digest() == sent.digest(), "%d of %d bytes came back, or other bytes" % (result["total"], total))


def visit_knock(address, port, until):
    """One short visit after the other until the file `until` is there; none may fail."""
    count, slowest = 0, 0.0
    while not os.path.exists(until):
        begin = time.monotonic()
        visit_hello(address, port)
        slowest = max(slowest, time.monotonic() - begin)
        count += 1
        time.sleep(0.01)
    say("visits", count, "slowest_ms", int(slowest * 1000))


def visit_garbage(address, port, seed="1"):
    """Sends bytes that are no SSH, until the other side has had enough."""
    sock = connect(address, port)
    try:
        sock.sendall(hashlib.shake_128(seed.encode()).digest(200000))
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return
    end, _ = read_all(sock)
    want(end != "timeout", "the hub kept a connection of garbage")


def visit_ended_within(address, port, seconds, text=""):
    """Says `text` (may be nothing), then waits; the other side has to end it in time."""
    sock = connect(address, port)
    sock.settimeout(float(seconds))
    begin = time.monotonic()
    sock.sendall(text.encode())
    end, _ = read_all(sock)
    want(end != "timeout", "still open after %s s" % seconds)
    say("ended after %.1f s" % (time.monotonic() - begin))


class Member:
    """One connection of the crowd: sends its own bytes, wants exactly these back."""

    def __init__(self, number, address, port, size):
        self.data = hashlib.shake_128(b"member %d" % number).digest(size)
        self.sent = self.got = 0
        self.limit = 1  # one byte to and fro first: then it is really open
        self.sock = connect(address, port)
        self.sock.setblocking(False)

    def turn(self, mask):
        """Moves bytes; whether another byte can still come."""
        if mask & selectors.EVENT_WRITE and self.sent < self.limit:
            self.sent += self.sock.send(self.data[self.sent : min(self.limit, self.sent + 65536)])
            if self.sent == len(self.data):
                self.sock.shutdown(socket.SHUT_WR)
        if mask & selectors.EVENT_READ:
            part = self.sock.recv(65536)
            if not part:
                return False
            expected = self.data[self.got : self.got + len(part)]
            want(part == expected, "other bytes came back than were sent")
            self.got += len(part)
        return True


def crowd_round(members, limit, finished):
    """Runs all members until each satisfies `finished`."""
    poll = selectors.DefaultSelector()
    waiting = set()
    for member in members:
        member.limit = limit
        waiting.add(member)
        poll.register(member.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, member)
    end = time.monotonic() + 3 * LIMIT_S
    while waiting:
        want(time.monotonic() < end, "%d of the crowd had no answer in time" % len(waiting))
        for key, mask in poll.select(1):
            member = key.data
            try:
                more = member.turn(mask)
            except ConnectionError as error:
                more = want(False, "a connection was cut after %d bytes: %s" % (member.got, error))
            if finished(member) or not more:
                want(finished(member), "a connection ended after %d bytes" % member.got)
                waiting.discard(member)
                poll.unregister(member.sock)
            elif member.sent >= member.limit:
                poll.modify(member.sock, selectors.EVENT_READ, member)


def visit_crowd(address, port, count, size="20000"):
    """All open at once, every byte checked.  Between the rounds it waits for a line on stdin."""
    raise_descriptor_limit()
    members = [Member(i, address, port, int(size)) for i in range(int(count))]
    crowd_round(members, 1, lambda member: member.got == 1)
    say("open", len(members))
    sys.stdin.readline()
    crowd_round(members, int(size), lambda member: member.got == int(size))
    say("checked", len(members) * int(size))


def start_connecting(address, port, source=None):
    sock = socket.socket(family_of(address))
    sock.setblocking(False)
    if source:
        sock.bind((source, 0))
    sock.connect_ex((address, int(port)))
    return sock


def is_admitted(sock):
    """Whether a byte comes back, or the end does."""
    try:
        return sock.recv(1) == b"x"
    except ConnectionError:
        return False


def visit_contest(address, port, count, until=""):
    """Connects `count` times at once to an echo; says how many were admitted.  Keeps those until
    the file `until` is there."""
    raise_descriptor_limit()
    poll = selectors.DefaultSelector()
    for _ in range(int(count)):
        poll.register(start_connecting(address, port), selectors.EVENT_WRITE)
    kept, refused, end = [], 0, time.monotonic() + LIMIT_S
    while poll.get_map():
        want(time.monotonic() < end, "%d hear neither yes nor no" % len(poll.get_map()))
        for key, mask in poll.select(1):
            try:
                if mask & selectors.EVENT_WRITE:
                    key.fileobj.send(b"x")
                    poll.modify(key.fileobj, selectors.EVENT_READ)
                    continue
            except ConnectionError:
                pass
            poll.unregister(key.fileobj)
            if is_admitted(key.fileobj):
                kept.append(key.fileobj)
            else:
                refused += 1
    say("admitted", len(kept), "refused", refused)
    while until and not os.path.exists(until):
        time.sleep(0.05)


class Transfer:
    """One of a fleet: sends its own bytes at a slow pace, wants exactly these back."""

    def __init__(self, number, address, port, source):
        self.source, self.sent, self.got, self.ended = source, 0, 0, None
        self.block = hashlib.shake_128(b"transfer %d" % number).digest(30011)
        self.sock = connect(address, port, source=source)
        self.sock.setblocking(False)

    def part(self, start, count):
        start %= len(self.block)
        return (self.block[start:] + self.block)[:count]

    def send(self, count):
        try:
            if self.sent - self.got < 65536:
                self.sent += self.sock.send(self.part(self.sent, count))
        except BlockingIOError:
            pass
        except ConnectionError:
            pass  # the reading side will tell

    def receive(self):
        try:
            data = self.sock.recv(16384)
        except BlockingIOError:
            return
        except ConnectionError:
            data = None
        if data:
            want(data == self.part(self.got, len(data)), "other bytes came back than were sent")
            self.got += len(data)
            return
        self.ended = "eof" if data == b"" else "reset"


def fleet_turn(poll, transfers, finishing):
    for key, _ in poll.select(0.02):
        transfer = key.data
        transfer.receive()
        if not transfer.ended:
            continue
        poll.unregister(transfer.sock)
        if not finishing or transfer.ended != "eof" or transfer.got != transfer.sent:
            say("cut", transfer.source, int(time.time() * 1000))
            transfer.ended = "cut"
    return [t for t in transfers if not t.ended]


def visit_fleet(address, port, count, until, sources="127.0.0.1"):
    """`count` transfers through an echo until the file `until` is there, then to the end; says who
    was cut and when, and how many came to the right end."""
    raise_descriptor_limit()
    poll, sources = selectors.DefaultSelector(), sources.split(",")
    transfers = [Transfer(i, address, port, sources[i % len(sources)]) for i in range(int(count))]
    for transfer in transfers:
        poll.register(transfer.sock, selectors.EVENT_READ, transfer)
        transfer.send(1)
    running, told = transfers, False
    while running and not os.path.exists(until):
        running = fleet_turn(poll, transfers, False)
        if not told and all(t.got for t in running):
            told = say("running", len(running)) is None
        for transfer in running:
            transfer.send(1500)
        time.sleep(0.03)
    for transfer in running:
        transfer.sock.shutdown(socket.SHUT_WR)
    end = time.monotonic() + LIMIT_S
    while running:
        want(time.monotonic() < end, "%d transfers do not end" % len(running))
        running = fleet_turn(poll, transfers, True)
    say("right", sum(t.ended == "eof" for t in transfers), "bytes", sum(t.got for t in transfers))


def visit_push(address, port, count, until):
    """Sends as fast as it can on `count` connections until the file `until` is there."""
    block = bytes(65536)

    def one():
        sock = connect(address, port)
        while not os.path.exists(until):
            sock.sendall(block)
        reset(sock)

    threads = [threading.Thread(target=one) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def visit_pull(address, port, count, until):
    """Reads as fast as it can on `count` connections until then; says how much came so far."""
    gauge = Gauge()

    def one():
        gauge.read_all(connect(address, port))

    for _ in range(int(count)):
        threading.Thread(target=one, daemon=True).start()
    while not os.path.exists(until):
        time.sleep(0.05)


VISITORS = {
    "echo": visit_echo,
    "answer": visit_answer,
    "goodbye": visit_goodbye,
    "hello": visit_hello,
    "reset": visit_reset,
    "expect-reset": visit_expect_reset,
    "stall": visit_stall,
    "hold": visit_hold,
    "exchange": visit_exchange,
    "both": visit_both,
    "steady": visit_steady,
    "knock": visit_knock,
    "garbage": visit_garbage,
    "ended-within": visit_ended_within,
    "crowd": visit_crowd,
    "contest": visit_contest,
    "fleet": visit_fleet,
    "push": visit_push,
    "pull": visit_pull,
}


def visit(mode, address, port, *arguments):
    try:
        VISITORS[mode](address, port, *arguments)
    except (OSError, socket.timeout) as error:
        want(False, "%s: %s" % (type(error).__name__, error))


def free(count, address="127.0.0.1"):
    """Outside the range from which the kernel takes the ports of outgoing connections; of those in
    PORTS (FIRST-END), which scripts that run side by side do not share."""
    first, end = map(int, os.environ.get("PORTS", "10000-32000").split("-"))
    ports = []
    while len(ports) < int(count):
        port = random.randrange(first, end)
        with socket.socket(family_of(address)) as sock:
            try:
                sock.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        if port not in ports:
            ports.append(port)
    say(*ports)


if __name__ == "__main__":
    {"free": free, "serve": serve, "visit": visit}[sys.argv[1]](*sys.argv[2:])
