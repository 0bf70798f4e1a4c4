"""Who is compared: plain TCP, stock sshd with `ssh -N -R`, tunneld with tunnel-agent.

Each side leads visitors from `port` of `address` in the near place to the target in the far one.
Settings are everyone's defaults, but for what is needed to run beside each other as root, and for
MaxStartups, without which sshd drops logins at random when there are many at once.
"""
import json
import os
import re
import subprocess
import time

from .world import Failed, cpu_seconds, memory_kib, run, until

TARGET_PORT = 5000
GCM = "aes128-gcm@openssh.com"

# Runs in a tree of another release: its programs, this machine's kernel and network, our directory at /mnt.
IN_TREE = """
mount --make-rprivate / && mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" &&
mount -t tmpfs tmpfs "$1/run" && mkdir -p "$1/run/sshd" && mount --bind "$2" "$1/mnt" || exit 1
tree=$1
shift 2
exec chroot "$tree" "$@"
"""


class Side:
    address = "127.0.0.1"
    hub = agent = None  # processes

    def hub_cpu(self):
        return cpu_seconds(self.hub.pid)

    def agent_cpu(self):
        return cpu_seconds(self.agent.pid)

    def wait_open(self, world):
        until("port %d of %s" % (self.port, self.key), lambda: world.answers(self.address, self.port))


class Plain(Side):
    key, label = "plain", "plain TCP"

    def __init__(self, world):
        self.address, self.port = world.target_address, TARGET_PORT


class Relays(Side):
    """As many hops as a tunnel has, and nothing else."""

    key, label = "relays", "two plain relays"
    port = 6000

    def __init__(self, world):
        self.hub = self._start(world, self.port, self.port + 1)
        self.agent = self._start(world, self.port + 1, TARGET_PORT)
        self.wait_open(world)

    @staticmethod
    def _start(world, port, target):
        return world.start([world.programs["relay"], "127.0.0.1", str(port), str(target)], world.near)


def keys(world):
    """A host key and a key for root, once for a world."""
    for name in ("host", "key"):
        if not os.path.exists(world.path(name)):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", world.path(name)])


def openssh_version(tree=None):
    words = ["ssh", "-V"] if tree is None else ["chroot", tree, "ssh", "-V"]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stderr.strip() or "unknown"


class Stock(Side):
    """The server alone is for those who bring their own clients."""

    def __init__(self, world, key, number, tree=None, cipher=None, agent=True, keepalive=None):
        self.world, self.key, self.tree = world, key, tree
        self.ssh_port, self.port = 2200 + number, 7000 + number
        self.cipher, self.keepalive = cipher, keepalive
        keys(world)
        self._serve()
        if agent:
            self.agent = self.client()
            self.wait_open(world)

    def _there(self, *words):
        if self.tree is None:
            return list(words)
        return ["unshare", "--mount", "sh", "-c", IN_TREE, "in-tree", self.tree, self.world.directory, *words]

    def _path(self, name):
        return self.world.path(name) if self.tree is None else "/mnt/" + name

    def _serve(self):
        swarm = run([self.world.programs["swarm"], "--show-key"])
        with open(self.world.path("key.pub")) as own, open(self.world.path("authorized"), "w") as file:
            file.write(own.read() + swarm)
        os.makedirs("/run/sshd", exist_ok=True)
        options = ["Port=%d" % self.ssh_port, "ListenAddress=" + self.world.hub_address, "UsePAM=no", "PidFile=none",
                   "AuthorizedKeysFile=" + self._path("authorized"), "StrictModes=no", "MaxStartups=1000"]
        if self.keepalive:
            options.append("ClientAliveInterval=%d" % self.keepalive)
        words = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", self._path("host")]
        words += [word for option in options for word in ("-o", option)]
        self.hub = self.world.start(self._there(*words), self.world.near)
        until("sshd of %s" % self.key, self._listens)

    def _listens(self):
        if self.hub.poll() is not None:
            raise Failed("sshd of %s ended: %s" % (self.key, self.world.last_words()))
        return run(self.world.at(self.world.near, "ss", "-tlnHO", "sport = :%d" % self.ssh_port))

    def client(self, port=None):
        """Port 0: sshd takes a free one."""
        port = self.port if port is None else port
        forward = "127.0.0.1:%d:127.0.0.1:%d" % (port, TARGET_PORT)
        words = self._there("/usr/bin/ssh", "-F", "none", "-i", self._path("key"), "-o", "StrictHostKeyChecking=no",
                            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                            "-p", str(self.ssh_port), "-N", "-R", forward)
        if self.cipher:
            words += ["-c", self.cipher]
        if self.keepalive:
            words += ["-o", "ServerAliveInterval=%d" % self.keepalive]
        return self.world.start(words + ["root@" + self.world.hub_address], self.world.far)


class Ours(Side):
    key, label = "ours", "tunneld"
    ssh_port = 2300

    def __init__(self, world, agent=True):
        self.world = world
        self.port = 8000
        self.sites = 0
        with open(world.path("hub.yaml"), "w") as file:
            settings = {"listen": ["%s:%d" % (world.hub_address, self.ssh_port)], "state_dir": world.path("hub"),
                        "control_socket": self.socket(), "log_level": "warning"}
            json.dump(settings, file)  # which is YAML, too
        os.mkdir(world.path("hub"), 0o700)
        self.hub = world.start([world.programs["tunneld"], "-c", world.path("hub.yaml")], world.near)
        until("tunneld answers", self._answers)
        if agent:
            self.agent = self.site_agent(self.add_site(self.port))
            self.wait_open(world)

    def socket(self):
        return self.world.path("hub.sock")

    def ctl(self, *words):
        return run([self.world.programs["tunnelctl"], "--socket", self.socket(), "--yes", *map(str, words)])

    def asked(self, *words):
        return json.loads(self.ctl("--json", *words))

    def _answers(self):
        if self.hub.poll() is not None:
            raise Failed("tunneld ended: %s" % self.world.last_words())
        try:
            return self.ctl("status")
        except Failed:
            return False

    def add_site(self, port):
        self.sites += 1
        name = "site%d" % self.sites
        self.ctl("site", "add", name)
        self.ctl("port", "allow", name, port, "--target", "127.0.0.1:%d" % TARGET_PORT)
        return name

    def site_agent(self, name):
        keyfile = self.world.path(name + ".keyfile")
        hub = "%s:%d" % (self.world.hub_address, self.ssh_port)
        self.ctl("keyfile", "issue", name, "--hub", hub, "-o", keyfile)
        words = [self.world.programs["tunnel-agent"], "run", "--keyfile", keyfile, "--state", self.world.path(name)]
        return self.world.start(words, self.world.far)

    def enrolled_key(self, name):
        """Enrols the site; the path of its key, for a stock ssh."""
        agent = self.site_agent(name)
        until("%s is online" % name, lambda: self._online(name))
        self.world.stop(agent)
        until("%s is offline" % name, lambda: not self._online(name))
        return self.world.path(name, "key")

    def _online(self, name):
        return any(site["name"] == name and site["state"] == "online" for site in self.asked("site", "list"))

    def stock_client(self, port, *options):
        """A stock ssh with the cipher that the agent takes, as the site's agent."""
        name = self.add_site(port)
        words = ["ssh", "-F", "none", "-i", self.enrolled_key(name), "-o", "StrictHostKeyChecking=no",
                 "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-c", GCM,
                 *options, "-p", str(self.ssh_port), "-N", "-R", "%d:127.0.0.1:%d" % (port, TARGET_PORT)]
        client = self.world.start([*words, "%s@%s" % (name, self.world.hub_address)], self.world.far)
        until("port %d of a stock ssh" % port, lambda: self.world.answers("127.0.0.1", port))
        return client

    def cipher(self):
        return self.asked("session", "list")[0]["cipher"]


def settled_memory(process, seconds=2):
    time.sleep(seconds)
    return memory_kib(process.pid)


def label_of(version, cipher=None):
    """OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.22 -> OpenSSH 9.2"""
    found = re.match(r"OpenSSH_(\d+\.\d+)", version)
    name = "OpenSSH " + (found.group(1) if found else "?")
    return name + " gcm" if cipher else name
