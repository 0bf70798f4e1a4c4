"""One run: which rows, how long, in which worlds; what came out."""
import contextlib
import sys
import time

from .figures import is_plausible, summary, verdict
from .rows import BY_KEY, FIGURES
from .sides import GCM, Ours, Plain, Relays, Stock, label_of, openssh_version
from .world import Failed, World


class Full:
    rounds = 5
    long_rounds = 3  # of rows that take long: fresh worlds, long lines, slow paths
    seconds, delay_seconds, login_seconds, settle_seconds, probe_seconds, rest_seconds, idle_seconds = 2, 5, 5, 10, 30, 60, 150
    exchanges, channels = 5000, 1000
    login_clients, agents, idle_sessions = 400, 100, (500, 10000)
    leave_out = ()


class Short:
    """For correctness: every row, one round, small numbers."""

    rounds = long_rounds = 1
    seconds, delay_seconds, login_seconds, settle_seconds, probe_seconds, rest_seconds, idle_seconds = 0.4, 1, 1.5, 1, 1, 1, 40
    exchanges, channels = 200, 100
    login_clients, agents, idle_sessions = 40, 5, (20, 200)
    leave_out = ("delay100", "delay200")


class Bench:
    def __init__(self, root, programs, form, rows, rounds=None, tree=None):
        self.root, self.programs, self.tree, self.rows = root, programs, tree, rows
        for name, value in vars(form).items():
            if not name.startswith("_"):
                setattr(self, name, value)
        if rounds:
            self.rounds = self.long_rounds = rounds
        self.versions = {"openssh": openssh_version()}
        if tree:
            self.versions["debian13"] = openssh_version(tree)
        self.labels = {"plain": Plain.label, Relays.key: Relays.label, "openssh": label_of(self.versions["openssh"])}
        self.labels["keepalive"] = self.labels["openssh"] + ", probes each 30 s"
        self.labels["openssh-gcm"] = label_of(self.versions["openssh"], GCM)
        if tree:
            self.labels["debian13"] = label_of(self.versions["debian13"])
            self.labels["debian13-gcm"] = label_of(self.versions["debian13"], GCM)
        self.labels["ours"] = Ours.label
        self.values = {figure.key: {} for figure in FIGURES}
        self.failures = []
        self.ciphers = {}

    # --- sides ---

    def make_side(self, world, key, agent=True):
        if key == "plain":
            return Plain(world)
        if key == Relays.key:
            return Relays(world)
        if key == "ours":
            return Ours(world, agent)
        if key == "keepalive":
            return Stock(world, key, 9, keepalive=30)
        tree = self.tree if key.startswith("debian13") else None
        number = ("openssh", "openssh-gcm", "debian13", "debian13-gcm").index(key)
        return Stock(world, key, number, tree, GCM if key.endswith("gcm") else None, agent)

    def sides_of(self, row):
        return [key for key in row.sides if key in self.labels]

    @contextlib.contextmanager
    def world(self, delay_ms, sides):
        with World(self.programs, delay_ms) as world:
            world.start([self.programs["flow"], "serve", world.target_address, "5000"], world.far)
            if delay_ms:
                world.start([self.programs["flow"], "serve", "127.0.0.1", "5000"], world.far)
            world.sides = {key: self.make_side(world, key) for key in sides}
            if "ours" in sides:
                self.ciphers["ours"] = world.sides["ours"].cipher()
            yield world

    # --- rows ---

    def say(self, *words):
        print(*words, file=sys.stderr, flush=True)

    def is_plausible(self, figure, side, values):
        zero_for = BY_KEY[figure].may_be_zero
        return is_plausible(values, zero_for == "all" or side in zero_for)

    def take(self, row, key, measured):
        for figure, value in measured.items():
            if not self.is_plausible(figure, key, [value]):
                raise Failed("%s is %s" % (BY_KEY[figure].title, value))
        for figure, value in measured.items():
            self.values[figure].setdefault(key, []).append(value)
        self.say("%-10s %-12s %s" % (row.key, key, "  ".join("%s=%.4g" % item for item in measured.items())))

    def fresh(self, row, key):
        with World(self.programs) as world:
            world.start([self.programs["flow"], "serve", "127.0.0.1", "5000"], world.near)
            return row.measure(self, world, self.make_side(world, key, agent=False))

    def turn(self, row, key, measure):
        """What goes wrong is tried once more, and it is said: on a busy machine a moment may pass with nothing."""
        for last in (False, True):
            try:
                return self.take(row, key, measure())
            except (Failed, OSError, ValueError) as failure:
                sentence = "%s of %s: %s" % (row.key, self.labels[key], failure)
                self.say("failed:" if last else "again:", sentence)
        self.failures.append(sentence)

    def rounds_of(self, row):
        return 1 if row.once else self.long_rounds if row.long else self.rounds * row.often

    def run_shared(self, delay_ms, rows):
        sides = [key for key in self.labels if any(key in row.sides for row in rows)]
        with self.world(delay_ms, sides) as world:
            for row in rows:
                for _ in range(self.rounds_of(row)):
                    for key in self.sides_of(row):
                        self.turn(row, key, lambda: row.measure(self, world, world.sides[key]))

    def run_fresh(self, row):
        for _ in range(self.rounds_of(row)):
            for key in self.sides_of(row):
                self.turn(row, key, lambda: self.fresh(row, key))

    def run(self):
        with contextlib.ExitStack() as stack:
            aside = [row for row in self.rows if row.aside]
            worlds = [(row, stack.enter_context(self.world(0, self.sides_of(row)))) for row in aside]
            for _, world in worlds:
                time.sleep(2)
                for side in world.sides.values():
                    side.began, side.carried = time.monotonic(), world.wire_bytes(world.near, side.ssh_port)
            shared = [row for row in self.rows if not row.fresh and not row.aside]
            for delay_ms in sorted({row.delay_ms for row in shared}):
                self.run_shared(delay_ms, [row for row in shared if row.delay_ms == delay_ms])
            for row in self.rows:
                if row.fresh:
                    self.run_fresh(row)
            for row, world in worlds:
                for key in self.sides_of(row):
                    self.turn(row, key, lambda: row.measure(self, world, world.sides[key]))

    # --- what came out ---

    def results(self):
        """Summaries by figure and side, of what was measured."""
        return {key: {side: summary(values) for side, values in sides.items()} for key, sides in self.values.items() if sides}

    def implausible(self):
        return ["%s of %s: %s" % (BY_KEY[key].title, self.labels[side], values)
                for key, sides in self.values.items() for side, values in sides.items()
                if not self.is_plausible(key, side, values)]

    def verdicts(self):
        results = self.results()
        found = []
        for key, sides in results.items():
            for goal in BY_KEY[key].goals:
                outcome = verdict(BY_KEY[key], goal, sides, results)
                if outcome:
                    found.append((BY_KEY[key], goal, outcome))
        return found
