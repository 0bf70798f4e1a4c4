"""A world of its own to measure in: network namespaces with reno, a directory, processes.

Nothing here knows what a tunnel is.  Whatever was started is ended again, by its pid.
"""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

NEAR, FAR = "10.77.0.1", "10.77.0.2"
TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """One sentence for whoever started the bench."""


def run(words, **options):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Failed("%s: %s" % (" ".join(words), lines[-1] if lines else "exit code %d" % done.returncode))
    return done.stdout


def until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise Failed("%s: not within %d s" % (what, seconds))


# --- processes ----------------------------------------------------------------------------------


def _stat(pid):
    with open("/proc/%d/stat" % pid, "rb") as file:  # a process's name may be any bytes
        return file.read().rpartition(b")")[2].split()


def tree(pid):
    """This process and those below it, now."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*"):
        try:
            child = int(path[6:])
            parents.setdefault(int(_stat(child)[1]), []).append(child)
        except (OSError, IndexError):
            pass  # it has ended meanwhile
    pids, found = [pid], []
    while pids:
        found.append(pids.pop())
        pids.extend(parents.get(found[-1], ()))
    return found


def cpu_seconds(pid):
    """Of this process and those below it; what has ended and was waited for counts."""
    total = 0
    for one in tree(pid):
        try:
            total += sum(int(ticks) for ticks in _stat(one)[11:15])
        except OSError:
            pass
    return total / TICK


def memory_kib(pid):
    """(PSS, private and dirty) of this process and those below it."""
    pss = dirty = 0
    for one in tree(pid):
        try:
            with open("/proc/%d/smaps_rollup" % one, errors="replace") as file:
                fields = dict(line.split(":", 1) for line in file if line.count(":") == 1)
            pss += int(fields["Pss"].split()[0])
            dirty += int(fields["Private_Dirty"].split()[0])
        except OSError:
            pass
    return pss, dirty


# --- the world ----------------------------------------------------------------------------------


class World:
    """Two places, `near` (hub and visitors) and `far` (site), which are one without a delay."""

    number = 0  # of worlds so far

    def __init__(self, programs, delay_ms=0):
        self.programs, self.delay_ms = programs, delay_ms
        self.directory = tempfile.mkdtemp(prefix="bench.")
        os.chmod(self.directory, 0o711)
        World.number += 1
        self.name = "bench%d-%d" % (os.getpid(), World.number)
        self.near = self.far = self.name + ".near"
        self.hub_address = self.target_address = "127.0.0.1"
        self.processes = []
        self.log = open(self.path("log"), "ab")

    def __enter__(self):
        try:
            self._add_namespace(self.near)
            if self.delay_ms:
                self._add_line()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.stop(process)
        for name in {self.near, self.far}:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _add_namespace(self, name):
        run(["ip", "netns", "add", name])
        settings = ["tcp_congestion_control=reno", "tcp_no_metrics_save=1", "ip_local_port_range=15000 65000"]
        run(self.at(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", *("net.ipv4." + one for one in settings)))
        run(["ip", "-n", name, "link", "set", "lo", "up"])

    def _add_line(self):
        """Buffers are the kernel's defaults, the device's queue never drops (line.c)."""
        self.far = self.name + ".far"
        self.hub_address, self.target_address = NEAR, FAR
        self._add_namespace(self.far)
        line = self.start([self.programs["line"], self.near, self.far, str(self.delay_ms)], stdout=subprocess.PIPE)
        if line.stdout.readline() != b"ready\n":
            raise Failed("the delay line did not start: %s" % self.last_words())
        for name, address in ((self.near, NEAR), (self.far, FAR)):
            run(["ip", "-n", name, "link", "set", "line", "txqueuelen", "20000", "mtu", "1500"])
            run(["ip", "-n", name, "addr", "add", address + "/24", "dev", "line"])
            run(["ip", "-n", name, "link", "set", "line", "up"])

    def path(self, *names):
        return os.path.join(self.directory, *names)

    @staticmethod
    def at(place, *words):
        """A command that runs there, as the same process."""
        return ["nsenter", "--net=/run/netns/" + place, *words]

    def start(self, words, place=None, **options):
        options.setdefault("stdout", self.log)
        options.setdefault("stdin", subprocess.DEVNULL)
        words = self.at(place, *words) if place else words
        process = subprocess.Popen(words, stderr=self.log, env=self.environment(), **options)
        self.processes.append(process)
        return process

    def environment(self):
        clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        for key in ("SSH_AUTH_SOCK", "NOTIFY_SOCKET", "TUNNELD_SOCKET", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            clean.pop(key, None)
        clean.update(HOME=self.directory, XDG_RUNTIME_DIR=self.directory, LC_ALL="C")
        return clean

    def stop(self, process):
        if process in self.processes:
            self.processes.remove(process)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()

    def kill(self, process):
        """All of its tree at once, where nobody waits for good manners."""
        for pid in tree(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.stop(process)

    def last_words(self):
        self.log.flush()
        with open(self.path("log"), errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return lines[-1] if lines else "it says nothing"

    # --- load ---

    def flow(self, *words, timeout=120):
        """Figures of one run of the load generator, in the place of visitors."""
        words = self.at(self.near, self.programs["flow"], *map(str, words))
        try:
            return [float(word) for word in run(words, timeout=timeout).split()]
        except subprocess.TimeoutExpired:
            raise Failed("%s: no end within %d s" % (" ".join(words[2:]), timeout))
        finally:
            time.sleep(0.1 + 3 * self.delay_ms / 1000)  # for what is still under way

    def stay(self, what, address, port, count):
        """Connections that are only there, until the process is stopped."""
        words = [self.programs["flow"], what, address, str(port), str(count)]
        process = self.start(words, self.near, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if process.stdout.readline().strip() != str(count).encode():
            raise Failed("%d connections to port %d: %s" % (count, port, self.last_words()))
        return process

    def answers(self, address, port):
        words = self.at(self.near, self.programs["flow"], "ping", address, str(port), "1")
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30).returncode == 0

    def wire_bytes(self, place, port):
        """What the connections of this server port have carried so far, with headers of IP and TCP."""
        total = 0
        words = run(self.at(place, "ss", "-tinHO", "state", "established", "sport = :%d" % port)).split()
        fields = [word.split(":") for word in words]
        counts = [(field[0], int(field[1])) for field in fields if len(field) == 2 and field[1].isdigit()]
        for name, count in counts:
            if name in ("bytes_sent", "bytes_received"):
                total += count
            elif name in ("segs_out", "segs_in"):
                total += 52 * count
        return total
