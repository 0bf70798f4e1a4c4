"""What is measured: the figures with their goals, and the rows that bring them about.

A row is measured in a world (on loopback, or over a delay line), for each of its sides by turns, in
rounds; `measure(bench, world, side)` returns a dict of figure -> value.
"""
import json
import os
import subprocess
import sys
import time

from .figures import Figure, Goal
from .sides import Ours, Stock, settled_memory
from .world import Failed, memory_kib, run, until

DELAYS_MS = (40, 100, 200)
GIB = 1024.0  # MiB
DAY_S = 86400
WAYS = {"down": "target to visitor", "up": "visitor to target"}


def _both(key, title, unit, better, *goals, **more):
    return [Figure("%s_%s" % (key, way), "%s, %s" % (title, words), unit, better, goals, **more) for way, words in WAYS.items()]


def _slow(key, title, **more):
    return [Figure("%s_%s" % (key, way), "%s, %s" % (title, words), "MiB/s", "more",
                   [Goal(0.7, figure=fast + "_" + way)], **more) for way, words in WAYS.items()
            for fast in ["fast_stock" if key == "rekey" else "fast"]]


FIGURES = [
    *_both("stream", "one stream", "MiB/s", "more", Goal(2.0, "openssh"), Goal(1.05, "openssh-gcm"), Goal(1.0, "debian13-gcm")),
    *_both("stream_hub_cpu", "one stream, CPU of the hub", "s/GiB", "less", Goal(0.45, "openssh")),
    *_both("stream_agent_cpu", "one stream, CPU of the agent", "s/GiB", "less"),
    *_both("streams100", "100 streams", "MiB/s", "more", Goal(1.8, "openssh"), Goal(1.0, "debian13-gcm")),
    *_both("streams100_fair", "100 streams, slowest/fastest", "", "more", Goal(0.85), may_be_zero="all"),
    Figure("exchange_p50", "1-byte exchange, p50", "us", "less", [Goal(1.0, "openssh", noisy=True)]),
    Figure("exchange_p99", "1-byte exchange, p99", "us", "less", [Goal(1.0, "openssh", noisy=True)]),
    Figure("short1", "short connections, 1 at once", "1/s", "more", [Goal(100, "openssh"), Goal(1.05, "debian13")]),
    Figure("short8", "short connections, 8 at once", "1/s", "more", [Goal(9, "openssh"), Goal(1.05, "debian13")]),
    Figure("short_cpu", "short connections, CPU of hub and agent", "ms each", "less", may_be_zero="all"),
    Figure("logins", "logins", "1/s", "more", [Goal(12, "openssh")]),
    Figure("login_cpu", "logins, CPU of the hub", "ms each", "less"),
    Figure("idle_pss", "idle session on the hub, PSS", "KiB", "less", [Goal(1 / 60, "openssh"), Goal(24)]),
    Figure("idle_dirty", "idle session on the hub, private dirty", "KiB", "less"),
    Figure("rested_pss", "the same after 256 KiB of traffic and a minute's rest", "KiB", "less", [Goal(2.0, figure="idle_pss")]),
    Figure("idle_cpu", "CPU of the hub with all idle sessions", "% of a core", "less", [Goal(1)]),
    Figure("list_ms", "`tunnelctl session list` of all", "ms", "less", [Goal(300)]),
    Figure("agent_pss", "agent beside others, PSS", "KiB", "less", [Goal(1.0, "openssh")]),
    Figure("agent_dirty", "agent beside others, private dirty", "KiB", "less"),
    Figure("idle_bytes", "idle session on the wire", "KiB/day", "less", [Goal(1024)], may_be_zero=("openssh",)),
    *_both("fast", "one stream, for comparison", "MiB/s", "more"),
    *_slow("stalled", "one stream beside 8 stalled visitors"),
    *_slow("held", "one stream beside 1000 open channels"),
    *_slow("streams1000", "1000 streams", may_be_zero=("openssh",)),  # seen: none of its bytes come within two seconds
    *_both("streams1000_part", "1000 streams, as a part of one stream", "", "more", Goal(1.0, "relays"), may_be_zero=("openssh",)),
    *_both("fast_stock", "one stream of a stock ssh", "MiB/s", "more"),
    *_slow("rekey", "the same, new keys each 128 MiB"),
    *(figure for delay in DELAYS_MS for figure in
      _both("delay%d" % delay, "%d ms round trip" % delay, "MiB/s", "more", Goal(2.5, "openssh"), Goal(0.8, "plain"))),
]
BY_KEY = {figure.key: figure for figure in FIGURES}


# --- on loopback --------------------------------------------------------------------------------


def measure_stream(bench, world, side):
    values = {}
    for way in WAYS:
        before = (side.hub_cpu(), side.agent_cpu())
        rate, _, _, mib = world.flow(way, side.address, side.port, bench.seconds)
        after = (side.hub_cpu(), side.agent_cpu())
        gib = mib / GIB
        values["stream_" + way] = rate
        values["stream_hub_cpu_" + way] = (after[0] - before[0]) / gib
        values["stream_agent_cpu_" + way] = (after[1] - before[1]) / gib
    return values


def measure_streams100(bench, world, side):
    values = {}
    for way in WAYS:
        rate, slowest, fastest, _ = world.flow(way, side.address, side.port, bench.seconds, 100)
        values["streams100_" + way] = rate
        values["streams100_fair_" + way] = slowest / max(fastest, 0.01)
    return values


def measure_exchange(bench, world, side):
    p50, p99, _ = world.flow("ping", side.address, side.port, bench.exchanges)
    return {"exchange_p50": p50, "exchange_p99": p99}


def measure_short(bench, world, side):
    one = world.flow("short", side.address, side.port, bench.seconds, 1)[0]
    before = side.hub_cpu() + side.agent_cpu()
    eight = world.flow("short", side.address, side.port, bench.seconds, 8)[0]
    used = side.hub_cpu() + side.agent_cpu() - before
    return {"short1": one, "short8": eight, "short_cpu": 1000 * used / (eight * bench.seconds)}


def measure_idle_bytes(bench, world, side):
    """Since soon after the session was opened; nobody visits it."""
    until("enough of an idle session was seen", lambda: time.monotonic() - side.began > bench.idle_seconds, bench.idle_seconds + 1)
    carried = world.wire_bytes(world.near, side.ssh_port) - side.carried
    return {"idle_bytes": carried / 1024 * DAY_S / (time.monotonic() - side.began)}


# --- slow paths ---------------------------------------------------------------------------------


def _each_way(bench, world, key, port, streams=1):
    return {"%s_%s" % (key, way): world.flow(way, "127.0.0.1", port, bench.seconds, streams)[0] for way in WAYS}


def _beside(bench, world, key, side, what, count):
    others = world.stay(what, side.address, side.port, count)
    try:
        return _each_way(bench, world, key, side.port)
    finally:
        world.stop(others)


def measure_stalled(bench, world, side):
    return {**_each_way(bench, world, "fast", side.port), **_beside(bench, world, "stalled", side, "stall", 8)}


def measure_channels(bench, world, side):
    return {**_each_way(bench, world, "fast", side.port), **_beside(bench, world, "held", side, "hold", bench.channels)}


def _rest(side):
    """What a thousand streams have left in its queues is still carried, at the cost of whoever comes next."""
    used = -1.0
    for _ in range(60):
        before, used = used, side.hub_cpu() + side.agent_cpu()
        if 0 <= before and used - before < 0.05:
            return
        time.sleep(0.5)


def measure_streams1000(bench, world, side):
    """Their small buffers (flow.c) keep the machine's memory for TCP out of it; what lies in others' takes its time."""
    values = _each_way(bench, world, "fast", side.port)
    for way in WAYS:
        values["streams1000_" + way] = world.flow(way, "127.0.0.1", side.port, bench.seconds, bench.channels)[0]
        values["streams1000_part_" + way] = values["streams1000_" + way] / max(values["fast_" + way], 0.01)
        _rest(side)
    return values


def measure_rekey(bench, world, side):
    """A stock ssh in the agent's place, as that takes an order when to renew keys; ours renews each GiB."""
    if not hasattr(side, "stock_ports"):
        side.stock_ports = 8100, 8101
        side.stock_client(side.stock_ports[0])
        side.stock_client(side.stock_ports[1], "-o", "RekeyLimit=128M")
    return {**_each_way(bench, world, "fast_stock", side.stock_ports[0]),
            **_each_way(bench, world, "rekey", side.stock_ports[1])}


# --- many sessions ------------------------------------------------------------------------------


def _sites(bench, world, side, count):
    """A file of sites for the swarm; of stock sshd they are names for nothing."""
    path = world.path("sites")
    if isinstance(side, Stock):
        lines = ["site%d -\n" % i for i in range(count)]
    else:
        prepare = os.path.join(bench.root, "tests", "fault", "visitors.py")
        lines = [run([sys.executable, prepare, "prepare", side.socket(), str(count), "10000"])]
    with open(path, "w") as file:
        file.writelines(lines)
    return path


def _swarm(world, side, path, *options):
    words = [world.programs["swarm"], "--hub", "%s:%d" % (world.hub_address, side.ssh_port), "--sites", path, *options]
    return words + (["--user", "root"] if isinstance(side, Stock) else [])


def measure_logins(bench, world, side):
    """By the same clients for each: swarm, which drops what has published and comes back at once."""
    path = _sites(bench, world, side, bench.login_clients)
    if isinstance(side, Ours):
        run(world.at(world.near, *_swarm(world, side, path, "--until-published")), timeout=120)
        run(["sed", "-i", "s/ .*/ -/", path])
    words = _swarm(world, side, path, "--seconds", str(bench.login_seconds), "--logins", "1000000000", "--json")
    before = side.hub_cpu()
    done = subprocess.run(world.at(world.near, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    summary = json.loads(done.stdout)
    if summary["logins"] == 0:
        raise Failed("no login at %s: %s" % (side.key, done.stderr.strip().splitlines()[-1]))
    used = side.hub_cpu() - before
    return {"logins": summary["logins"] / bench.login_seconds, "login_cpu": 1000 * used / summary["logins"]}


def _swarm_of_idle(bench, world, side, count):
    before = settled_memory(side.hub)
    path = _sites(bench, world, side, count)
    swarm = world.start(world.at(world.near, *_swarm(world, side, path)), stdout=subprocess.PIPE)
    for line in swarm.stdout:
        if line.startswith(b"all "):
            break
    else:
        raise Failed("%d idle sessions at %s: %s" % (count, side.key, world.last_words()))
    return before, swarm


def measure_idle_memory(bench, world, side):
    count = bench.idle_sessions[0 if isinstance(side, Stock) else 1]
    before, swarm = _swarm_of_idle(bench, world, side, count)
    # At rest: what the logins have left is given back with the first keepalive.
    after = settled_memory(side.hub, bench.settle_seconds if isinstance(side, Stock) else bench.rest_seconds)
    values = {"idle_pss": (after[0] - before[0]) / count, "idle_dirty": (after[1] - before[1]) / count}
    if isinstance(side, Ours):
        values.update(_cost_of_idle(bench, side))
        values["rested_pss"] = (_rested(bench, world, side, count) - before[0]) / count
    world.kill(swarm)
    return values


def _cost_of_idle(bench, side):
    """Over the time in which each session is probed once."""
    began, used = time.monotonic(), side.hub_cpu()
    time.sleep(bench.probe_seconds)
    # At least a tick of the clock that counts it.
    share = max(side.hub_cpu() - used, 0.01) / (time.monotonic() - began)
    began = time.monotonic()
    side.ctl("session", "list")
    return {"idle_cpu": 100 * share, "list_ms": 1000 * (time.monotonic() - began)}


def _rested(bench, world, side, count):
    """PSS after traffic in every session and some rest."""
    visits = os.path.join(bench.root, "bench", "sidebyside", "visit_each.py")
    run(world.at(world.near, sys.executable, visits, str(count), str(256 << 10)), timeout=600)
    return settled_memory(side.hub, bench.rest_seconds)[0]


def measure_agent_memory(bench, world, side):
    count = bench.agents
    if isinstance(side, Stock):
        agents = [side.client(port=0) for _ in range(count)]
        children = lambda: run(world.at(world.near, "ss", "-tnHO", "state", "established", "sport = :%d" % side.ssh_port))
        until("%d of ssh are there" % count, lambda: len(children().splitlines()) >= count)
    else:
        names = [side.add_site(8200 + i) for i in range(count)]
        agents = [side.site_agent(name) for name in names]
        until("%d agents publish" % count, lambda: len(side.asked("forward", "list")) >= count, 60)
    time.sleep(bench.settle_seconds)
    kib = [memory_kib(agent.pid) for agent in agents]
    for agent in agents:
        world.kill(agent)
    return {"agent_pss": sum(pss for pss, _ in kib) / count, "agent_dirty": sum(dirty for _, dirty in kib) / count}


# --- over a long line ---------------------------------------------------------------------------


def measure_delay(bench, world, side):
    key = "delay%d" % world.delay_ms
    return {"%s_%s" % (key, way): world.flow(way, side.address, side.port, bench.delay_seconds)[0] for way in WAYS}


# --- rows ---------------------------------------------------------------------------------------


class Row:
    """fresh: each turn of a side has a world of its own, with a server and no agent.
    once: however many rounds there are.  long: in fewer rounds.  often: so many times the rounds.
    aside: in a world that nothing else happens in meanwhile."""

    def __init__(self, key, about, measure, sides, delay_ms=0, fresh=False, once=False, long=False, often=1, aside=False):
        self.key, self.about, self.measure, self.sides, self.often = key, about, measure, sides, often
        self.delay_ms, self.fresh, self.once, self.aside = delay_ms, fresh, once, aside
        self.long = long or fresh or delay_ms > 0


ALL = ("openssh", "openssh-gcm", "debian13", "debian13-gcm", "ours")
DEFAULTS = ("openssh", "debian13", "ours")
ROWS = [
    Row("stream", "one stream each way, with the CPU of hub and agent", measure_stream, ALL),
    Row("streams100", "100 streams each way, and how even they are", measure_streams100, ALL),
    Row("exchange", "a 1-byte exchange, p50 and p99", measure_exchange, ALL, often=3),
    Row("short", "short connections a second, 1 and 8 at once", measure_short, ALL),
    Row("stalled", "slow path: one stream beside 8 stalled visitors", measure_stalled, ("openssh", "ours"), long=True),
    Row("channels", "slow path: one stream beside 1000 open channels", measure_channels, ("openssh", "ours"), long=True),
    Row("rekey", "slow path: new keys each 128 MiB, with a stock ssh", measure_rekey, ("ours",), long=True),
    Row("streams1000", "slow path: 1000 streams at once", measure_streams1000, ("relays", "openssh", "ours"), long=True),
    Row("idle", "bytes a day of an idle session", measure_idle_bytes, ("openssh", "keepalive", "ours"), once=True, aside=True),
    Row("logins", "logins a second", measure_logins, DEFAULTS, fresh=True),
    Row("memory", "memory of an idle session on the hub", measure_idle_memory, DEFAULTS, fresh=True, once=True),
    Row("agent", "memory of an agent beside others", measure_agent_memory, DEFAULTS, fresh=True, once=True),
    *(Row("delay%d" % delay, "one stream each way at %d ms" % delay, measure_delay, ("plain", "openssh", "ours"), delay)
      for delay in DELAYS_MS),
]
