"""visit_each.py COUNT BYTES: as many bytes to each site of the swarm, which gives them back.

Sites as tests/fault/visitors.py prepares them: 5,000 ports from 10000 on, on each of as many addresses as it takes.
"""
import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def visit(number, count):
    with socket.create_connection(("127.0.1.%d" % (1 + number // 5000), 10000 + number % 5000), 60) as visitor:
        sent = got = 0
        while got < count:
            if sent < count:
                visitor.sendall(b"x" * min(16384, count - sent))
                sent += min(16384, count - sent)
            room = visitor.recv(65536)
            if not room:
                raise EOFError("site %d ended after %d bytes" % (number, got))
            got += len(room)


if __name__ == "__main__":
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: visit(number, int(sys.argv[2])), range(int(sys.argv[1]))))
