#!/usr/bin/python3
"""Visitors that keep coming while something fails, and what the swarm needs before it starts.

    visitors.py knock ADDRESS PORT UNTIL [EVERY]    a visit each EVERY s until the file UNTIL is there
    visitors.py streams ADDRESS PORT COUNT UNTIL [MIB [PAUSE]]
                                                    transfers of MIB MiB, checked, COUNT at once
    visitors.py each COUNT FIRST_PORT MIB           one such transfer to each of the sites of `prepare`
    visitors.py silent ADDRESS PORT COUNT UNTIL     connections that never say anything
    visitors.py delay PORT ADDRESS TO_PORT MS        passes everything on, MS later
    visitors.py prepare SOCKET COUNT FIRST_PORT     sites with a keyfile each, a line "NAME TOKEN" for each

Standard library only.  Times are milliseconds of the wall clock.
"""
import asyncio
import hashlib
import json
import os
import resource
import selectors
import socket
import sys
import threading
import time

LIMIT_S = 60
lock = threading.Lock()


def now_ms():
    return int(time.time() * 1000)


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


# --- knocking ---------------------------------------------------------------------------------


def one_visit(address, port):
    """How it ended: ok, refused, reset, eof, timeout."""
    sock = socket.socket()
    sock.settimeout(LIMIT_S)
    try:
        sock.connect((address, int(port)))
        data = sock.recv(100)
        if not data:
            return "eof"
        sock.sendall(b"and back\n")
        return "ok" if sock.recv(100) == b"and back\n" else "eof"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionError:
        return "reset"
    except socket.timeout:
        return "timeout"
    finally:
        sock.close()


def knock(address, port, until, every="0.5"):
    """A line for each visit: when it began, when it ended, how; then the sums."""
    threads, sums = [], {}

    def one():
        begin = now_ms()
        end = one_visit(address, port)
        say("visit", begin, now_ms(), end)
        with lock:
            sums[end] = sums.get(end, 0) + 1

    while not os.path.exists(until):
        threads.append(threading.Thread(target=one))
        threads[-1].start()
        time.sleep(float(every))
    for thread in threads:
        thread.join()
    say("sums", " ".join("%s=%d" % item for item in sorted(sums.items())))
    sys.exit(0 if set(sums) == {"ok"} else 1)


# --- transfers --------------------------------------------------------------------------------


def pattern(seed, size):
    return hashlib.shake_128(seed.encode()).digest(size)


class Cut(Exception):
    pass


def one_stream(address, port, seed, size):
    """Sends and receives at once.  Cut: it ended early.  ValueError: other bytes came back."""
    data = pattern(seed, size)
    try:
        sock = socket.create_connection((address, int(port)), LIMIT_S)
    except OSError as error:
        raise Cut(str(error)) from error
    failure = []

    def send():
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    got = 0
    try:
        while True:
            part = sock.recv(1 << 18)
            if not part:
                break
            if part != data[got : got + len(part)]:
                raise ValueError("corrupted after %d bytes" % got)
            got += len(part)
    except OSError as error:
        raise Cut(str(error)) from error
    finally:
        sock.close()
        thread.join()
    if got != size:
        raise Cut("ended after %d bytes" % got)


def streams(address, port, count, until, mib="4", pause="0"):
    """Whole, cut and corrupted ones; exit code 1 when one was corrupted, or when none was whole."""
    sums = {"whole": 0, "cut": 0, "corrupted": 0}

    def one(number):
        turn = 0
        while not os.path.exists(until):
            turn += 1
            try:
                one_stream(address, port, "%d.%d" % (number, turn), int(float(mib) * (1 << 20)))
                end = "whole"
                time.sleep(float(pause))
            except Cut:
                end = "cut"
                time.sleep(0.1)
            except ValueError as error:
                say("wrong:", error)
                end = "corrupted"
            with lock:
                sums[end] += 1

    threads = [threading.Thread(target=one, args=(i,)) for i in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say("sums", " ".join("%s=%d" % item for item in sums.items()), "mib_each=" + mib)
    sys.exit(0 if sums["whole"] and not sums["corrupted"] else 1)


def place(i, first_port):
    """Of a site's forward: 5,000 ports on each of as many loopback addresses as it takes."""
    return "127.0.1.%d" % (1 + i // 5000), int(first_port) + i % 5000


def each(count, first_port, mib):
    sites = iter(range(int(count)))
    failed = []

    def some():
        while True:
            with lock:
                i = next(sites, None)
            if i is None:
                return
            try:
                one_stream(*place(i, first_port), str(i), int(float(mib) * (1 << 20)))
            except (Cut, ValueError) as error:
                failed.append("%d: %s" % (i, error))

    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("%d of %s failed: %s" % (len(failed), count, failed[0]))


# --- strangers --------------------------------------------------------------------------------


def silent(address, port, count, until):
    """From as many addresses as there are connections; how many were kept, how many turned away."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    poll = selectors.DefaultSelector()
    kept, away = set(), 0

    def look():
        ended = 0
        for key, _ in poll.select(0):
            try:
                data = key.fileobj.recv(4096)
            except OSError:
                data = b""
            if not data:
                poll.unregister(key.fileobj)
                kept.discard(key.fileobj)
                key.fileobj.close()
                ended += 1
        return ended

    begin = time.monotonic()
    for number in range(int(count)):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.bind(("127.2.%d.%d" % (number // 250, 1 + number % 250), 0))
        sock.settimeout(10)
        try:
            sock.connect((address, int(port)))
        except OSError:
            away += 1
            continue
        sock.setblocking(False)
        kept.add(sock)
        poll.register(sock, selectors.EVENT_READ)
        if number % 100 == 0:
            away += look()
    time.sleep(1)
    away += look()
    say("silent", "kept=%d" % len(kept), "away=%d" % away, "seconds=%.1f" % (time.monotonic() - begin))
    while not os.path.exists(until):
        time.sleep(0.1)
        away += look()
    say("silent", "kept=%d" % len(kept), "away=%d" % away)


# --- a far line -------------------------------------------------------------------------------


def delay(port, address, to_port, ms):
    async def pump(reader, writer):
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(int(ms) / 1000, writer.write, data)
        writer.close()

    async def one(reader, writer):
        far_reader, far_writer = await asyncio.open_connection(address, int(to_port))
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    async def main():
        server = await asyncio.start_server(one, "0.0.0.0", int(port))
        say("port", server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


# --- preparing --------------------------------------------------------------------------------


class Control:
    """The hub's control socket: one JSON line to, one back."""

    def __init__(self, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        self.file = sock.makefile("rwb")

    def call(self, verb, **args):
        self.file.write(json.dumps({"verb": verb, "args": args}).encode() + b"\n")
        self.file.flush()
        reply = json.loads(self.file.readline())
        if not reply.get("ok"):
            sys.exit("%s: %s" % (verb, reply))
        return reply.get("data")


def prepare(path, count, first_port, step="500"):
    control = Control(path)
    names = ["swarm%05d" % i for i in range(int(count))]
    for begin in range(0, len(names), int(step)):
        sites = {}
        for i, name in enumerate(names[begin : begin + int(step)], begin):
            address, port = place(i, first_port)
            sites[name] = {"ports": {str(port): {"target": "127.0.0.1:80", "address": address}}}
        control.call("apply", document={"version": 1, "sites": sites})
    for name in names:
        keyfile = control.call("keyfile.issue", site=name, hubs=["127.0.0.1:2222"])["keyfile"]
        token = [line.split()[1] for line in keyfile.splitlines() if line.startswith("token:")][0]
        say(name, token.strip("\"'"))


if __name__ == "__main__":
    MODES = {"knock": knock, "streams": streams, "each": each, "silent": silent, "delay": delay, "prepare": prepare}
    MODES[sys.argv[1]](*sys.argv[2:])
