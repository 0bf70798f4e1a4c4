"""Looks for secrets where none may be.

  text FILE PATH...      fails when a line of FILE is in one of the files, or beneath the directories
  memory FILE PID...     fails when one is in the memory of a process (needs root); names where
  limits PID...          core dumps forbidden by limit, and by the process itself
"""

import os
import sys


def secrets_of(path):
    return [line for line in open(path, "rb").read().splitlines() if len(line) >= 12]


def files_in(paths):
    for path in paths:
        if not os.path.isdir(path):
            yield path
        for directory, _, names in os.walk(path):
            for name in names:
                full = os.path.join(directory, name)
                if os.path.isfile(full):
                    yield full


def text(path, *paths):
    secrets = secrets_of(path)
    assert secrets
    looked, found = 0, []
    for name in files_in(paths):
        content = open(name, "rb").read()
        looked += 1
        found += [f"{name} has secret {i}" for i, secret in enumerate(secrets) if secret in content]
    print(f"{looked} files looked at", *found, sep="\n")
    return 1 if found or not looked else 0


def regions(pid):
    for line in open(f"/proc/{pid}/maps", encoding="ascii"):
        parts = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in parts[0].split("-"))
        name = parts[5].strip() if len(parts) > 5 else "anonymous"
        if "w" in parts[1] and not name.startswith(("[vvar", "[vsyscall")):
            yield start, end, name


def memory(path, *pids):
    secrets = secrets_of(path)
    found, size = [], 0
    for pid in pids:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
            for start, end, name in regions(pid):
                mem.seek(start)
                try:
                    content = mem.read(end - start)
                except OSError:
                    continue
                size += len(content)
                for i, secret in enumerate(secrets):
                    at = content.find(secret)
                    if at >= 0:
                        around = content[max(0, at - 24) : at + len(secret) + 8]
                        found.append(f"process {pid}: secret {i} in {name} at {start + at:#x}: {around}")
    print(f"{size} bytes looked at", *found, sep="\n")
    return 1 if found or not size else 0


def limits(*pids):
    wrong = []
    for pid in pids:
        core = [line for line in open(f"/proc/{pid}/limits", encoding="ascii") if "core file" in line]
        if core[0].split()[4:6] != ["0", "0"]:
            wrong.append(f"{pid}: {core[0]}")
        # The files of a process that must not be dumped are root's.
        if os.stat(f"/proc/{pid}/environ").st_uid != 0:
            wrong.append(f"{pid} may be dumped")
    print(*wrong, sep="\n")
    return 1 if wrong else 0


MODES = {"text": text, "memory": memory, "limits": limits}
sys.exit(MODES[sys.argv[1]](*sys.argv[2:]))
