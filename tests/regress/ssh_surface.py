"""The SSH port as a stranger sees it: what ssh-audit says of it, and strict key exchange.

  weak FILE [ALGORITHM...]    FILE is ssh-audit's text (-b): fails for what is called weak or unknown,
                              and is not one of the algorithms
  last FILE ALGORITHM         FILE is ssh-audit's JSON: this MAC is there, behind all others
  names FILE                  the JSON's key exchanges, ciphers and MACs, a line each
  between PORT inject|pass    hands one connection on to the port; `inject` puts a message into its
                              key exchange that has no place there, as Terrapin did
  outdated PORT               many clients that have nothing in common with the port and say so in the
                              same breath as their version: each must get the port's offer all the same,
                              from which OpenSSH's tells the reason
"""

import json
import re
import select
import socket
import struct
import sys

# Newer ssh-audits complain about every key exchange that a quantum computer could break, and
# libssh has no other before 0.12.
BEYOND_LIBSSH = re.compile("quantum")
MARKER = "kex-strict-s-v00@openssh.com"  # no algorithm, but unknown to ssh-audit before 3.0


def weak(path, *excused):
    found = []
    name = ""
    for line in open(path, encoding="utf-8"):
        match = re.match(r"\((\w+)\)\s+(\S+).*", line)
        if match:
            name = match[2]
        level = re.search(r"\[(fail|warn)\] (.*)", line)
        if not level or BEYOND_LIBSSH.search(level[2]):
            continue
        if name == MARKER and "unknown" in level[2]:
            continue
        if name not in excused:
            found.append(line.rstrip())
    print("\n".join(found))
    return 1 if found else 0


def name_of(entry):
    return entry["algorithm"] if isinstance(entry, dict) else entry


def last(path, algorithm):
    macs = [name_of(entry) for entry in json.load(open(path, encoding="utf-8"))["mac"]]
    print(macs)
    return 0 if macs[-1] == algorithm and macs.count(algorithm) == 1 else 1


def names(path):
    offer = json.load(open(path, encoding="utf-8"))
    for kind in "kex", "enc", "mac", "key":
        for entry in offer[kind]:
            print(kind, name_of(entry))
    return 0


# --- a man in the middle --------------------------------------------------------------------------

IGNORE, KEXINIT = 2, 20


def packet_of(payload):
    padding = 16 - (5 + len(payload)) % 8
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def ignore_packet():
    return packet_of(bytes([IGNORE, 0, 0, 0, 0]))


def read_exactly(peer, count):
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_banner(peer):
    banner = b""
    while not banner.endswith(b"\n"):
        banner += read_exactly(peer, 1)
    return banner


def read_packet(peer):
    """The first one, which is not encrypted."""
    length = read_exactly(peer, 4)
    return length + read_exactly(peer, struct.unpack(">I", length)[0])


def between(port, what):
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    client = listener.accept()[0]
    hub = socket.create_connection(("127.0.0.1", int(port)))
    client.sendall(read_banner(hub))
    hub.sendall(read_banner(client) + read_packet(client))
    if what == "inject":
        hub.sendall(ignore_packet())
    while True:
        for peer in select.select([client, hub], [], [])[0]:
            data = peer.recv(65536)
            if not data:
                return 0
            (hub if peer is client else client).sendall(data)


# --- a client of another age ----------------------------------------------------------------------

LISTS = ["diffie-hellman-group1-sha1", "ssh-dss", "3des-cbc", "3des-cbc", "hmac-md5", "hmac-md5"]
LISTS += ["none", "none", "", ""]


def offer_to(port, hello):
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as hub:
        hub.sendall(hello)
        read_banner(hub)
        return read_packet(hub)


def outdated(port):
    offer = bytes([KEXINIT]) + bytes(16)
    offer += b"".join(struct.pack(">I", len(text)) + text.encode() for text in LISTS) + bytes(5)
    for _ in range(40):
        answer = offer_to(port, b"SSH-2.0-outdated\r\n" + packet_of(offer))
        if answer[5] != KEXINIT or b"curve25519-sha256" not in answer:
            return 1
    return 0


MODES = {"weak": weak, "last": last, "names": names, "between": between, "outdated": outdated}
sys.exit(MODES[sys.argv[1]](*sys.argv[2:]))
