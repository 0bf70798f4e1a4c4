#!/usr/bin/python3
"""What the scripts about accidents need beside the programs.

    accidents.py sites SOCKET HUB TARGET COUNT FILE   adds sites s1.. with a grant and a keyfile each;
                                                      FILE gets a line "SITE TOKEN PORT" for each
    accidents.py keys DATABASE TOKEN_ID               how many keys the store binds to the keyfile
    accidents.py rows DATABASE                        rows of each table
    accidents.py schema DATABASE                      what its tables look like
    accidents.py load SQL DATABASE                    makes a database of a dump
    accidents.py version DATABASE                     number of its schema
    accidents.py adopt DATABASE SITE KEY.pub          makes this the site's current key
    accidents.py sql DATABASE STATEMENT               runs it
    accidents.py damage DATABASE HOW                  what disks and people do to files
    accidents.py closed SECONDS PORT COMMAND...       runs the command; milliseconds until the port
                                                      on 127.0.0.1 is closed

Standard library only.
"""
import base64
import hashlib
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time


class Hub:
    """The control socket: a line to ask, a line to answer."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(path)
        self.lines = self.sock.makefile("r")

    def ask(self, verb, **args):
        self.sock.sendall((json.dumps({"verb": verb, "args": args}) + "\n").encode())
        reply = json.loads(self.lines.readline())
        if not reply["ok"]:
            sys.exit("%s %s: %s" % (verb, args, reply["error"]))
        return reply["data"]


def sites(path, hub_address, target, count, file):
    hub = Hub(path)
    taken = {grant["port"] for grant in hub.ask("port.list")}
    ports = [p for p in random.sample(range(10000, 32000), 2 * int(count)) if p not in taken]
    with open(file, "w") as out:
        for number in range(1, int(count) + 1):
            name, port = "s%d" % number, free_port(ports)
            hub.ask("site.add", name=name)
            hub.ask("port.allow", site=name, port=port, target=target)
            issued = hub.ask("keyfile.issue", site=name, hubs=[hub_address])
            token = next(l for l in issued["keyfile"].splitlines() if l.startswith("token:"))
            print(name, token.split(":", 1)[1].strip().strip("\"'"), port, file=out)


def free_port(ports):
    while True:
        port = ports.pop()
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def keys(database, token_id):
    with sqlite3.connect("file:%s?mode=ro" % database, uri=True, timeout=10) as store:
        print(store.execute("SELECT count(*) FROM keys WHERE keyfile = ?", [token_id]).fetchone()[0])


def rows(database):
    with sqlite3.connect("file:%s?mode=ro" % database, uri=True, timeout=10) as store:
        names = store.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        print(*("%s=%d" % (n, store.execute("SELECT count(*) FROM " + n).fetchone()[0]) for n, in names.fetchall()))


def load(sql, database):
    with sqlite3.connect(database) as store, open(sql) as text:
        store.executescript(text.read())
    os.chmod(database, 0o600)


def version(database):
    with sqlite3.connect("file:%s?mode=ro" % database, uri=True) as store:
        print(store.execute("PRAGMA user_version").fetchone()[0])


def schema(database):
    with sqlite3.connect("file:%s?mode=ro" % database, uri=True) as store:
        for row in store.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"):
            print(" ".join(row[0].split()))


def adopt(database, site, path):
    with open(path) as file:
        blob = base64.b64decode(file.read().split()[1])
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    with sqlite3.connect(database) as store:
        changed = store.execute(
            "UPDATE keys SET blob = ?, fingerprint = ? WHERE state = 2 AND site ="
            " (SELECT id FROM sites WHERE name = ?)", [blob, "SHA256:" + digest, site])
        if changed.rowcount != 1:
            sys.exit("%s has no current key" % site)


def sql(database, statement):
    with sqlite3.connect(database, timeout=10) as store:
        store.execute(statement)


def damage(database, how):
    size = os.path.getsize(database)
    with open(database, "r+b") as file:
        if how == "header":
            file.write(b"SQLite format 4\0")
        elif how == "page":  # some in the middle; a log beside may have newer ones of others
            file.seek(4096 * 4)
            file.write(random.Random(how).randbytes(4096 * 4))
        elif how == "half":
            file.truncate(size // 2 // 4096 * 4096)
        elif how == "text":
            file.truncate(0)
            file.write(b"backup of the hub\n" * 500)
        else:
            sys.exit("no damage is called " + how)


def closed(seconds, port, *command):
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while time.monotonic() - begin < float(seconds):
        with socket.socket() as sock:
            sock.settimeout(float(seconds))
            try:
                sock.connect(("127.0.0.1", int(port)))
            except ConnectionRefusedError:
                took = time.monotonic() - begin
                print(int(took * 1000))
                sys.exit(process.wait())
            except (ConnectionResetError, BrokenPipeError):
                pass  # closed while we were let in; the next one sees it
        time.sleep(0.002)
    process.wait()
    sys.exit("still open after %s s" % seconds)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
