"""What a run is shown as: a table, a list of goals, JSON, a chart."""
import json
import os
import platform
import re
import subprocess
import time

from .figures import ratio, three_digits, times_better
from .rows import BY_KEY, FIGURES

SETTINGS = ("net.core.wmem_max", "net.core.rmem_max", "net.ipv4.tcp_wmem", "net.ipv4.tcp_rmem")
COLOURS = {"plain": "#7f7f7f", "relays": "#8c564b", "openssh": "#d62728", "openssh-gcm": "#ff9896", "debian13": "#9467bd",
           "debian13-gcm": "#c5b0d5", "keepalive": "#bcbd22", "ours": "#1f77b4"}


def _first_line(words):
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return (done.stdout or done.stderr).strip().split("\n")[0] or "unknown"


def machine():
    with open("/proc/cpuinfo") as file:
        names = re.findall(r"^model name\s*: (.*)$", file.read(), re.M)
    settings = {}
    for name in SETTINGS:
        with open("/proc/sys/" + name.replace(".", "/")) as file:
            settings[name] = " ".join(file.read().split())
    with open("/etc/os-release") as file:
        system = re.search(r'^PRETTY_NAME="?(.*?)"?$', file.read(), re.M).group(1)
    return {"cpu": names[0] if names else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "system": system, "load": os.getloadavg()[0], "settings": settings}


def versions(bench):
    found = {"tunneld": _first_line([bench.programs["tunneld"], "--version"]),
             "libssh": _first_line(["dpkg-query", "-W", "-f", "${Version}", "libssh-4"]),
             "libssh2": _first_line(["dpkg-query", "-W", "-f", "${Version}", "libssh2-1"])}
    return {**found, **bench.versions}


def document(bench, about):
    results = bench.results()
    ours = {key: sides["ours"] for key, sides in results.items() if "ours" in sides}
    rows = {key: {"title": BY_KEY[key].title, "unit": BY_KEY[key].unit, "better": BY_KEY[key].better,
                  "sides": {side: dict(sides[side], values=bench.values[key][side]) for side in sides},
                  "ours_to": {side: ratio(ours.get(key), sides[side]) for side in sides if side != "ours"}}
            for key, sides in results.items()}
    goals = [dict(outcome, figure=figure.key, against=goal.against or goal.figure) for figure, goal, outcome in bench.verdicts()]
    return {**about, "labels": bench.labels, "ciphers": bench.ciphers, "figures": rows, "goals": goals,
            "failures": bench.failures + bench.implausible()}


def about(bench, began, load):
    return {"date": time.strftime("%Y-%m-%d", time.gmtime()), "took_seconds": round(time.monotonic() - began),
            "machine": dict(machine(), load_before=load), "versions": versions(bench)}


# --- for people ---------------------------------------------------------------------------------


def _cell(one):
    if not one:
        return ""
    words = three_digits(one["median"])
    if one["runs"] > 1:
        words += " (%s-%s)" % (three_digits(one["min"]), three_digits(one["max"]))
    return words


def _aligned(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def table(bench):
    """Markdown, so that it can be pasted; medians, ranges in brackets."""
    results = bench.results()
    sides = [key for key in bench.labels if any(key in row for row in results.values())]
    against = [key for key in sides if key in ("plain", "openssh", "openssh-gcm", "debian13", "debian13-gcm")]
    lines = [["", ""] + [bench.labels[key] for key in sides] + (["of " + bench.labels["openssh"]] if "openssh" in sides else [])]
    for figure in FIGURES:
        row = results.get(figure.key)
        if not row:
            continue
        line = [figure.title, figure.unit] + [_cell(row.get(key)) for key in sides]
        if "openssh" in against:
            quotient = ratio(row.get("ours"), row.get("openssh"))
            line.append(three_digits(quotient) if quotient else "")
        lines.append(line)
    return _aligned(lines)


def goals(bench):
    lines = [["", "against", "goal", "reached", ""]]
    for figure, goal, outcome in bench.verdicts():
        against = BY_KEY[goal.figure].title if goal.figure else bench.labels[goal.against] if goal.against else figure.unit or "itself"
        sign = "at least" if figure.better == "more" else "at most"
        lines.append([figure.title, against, "%s %s" % (sign, three_digits(outcome["limit"])), three_digits(outcome["reached"]),
                      "met" if outcome["met"] else "missed by %.0f %%" % (100 * outcome["off"])])
    return _aligned(lines) if len(lines) > 1 else ""


def heading(bench, facts):
    here, programs = facts["machine"], facts["versions"]
    settings = "; ".join("%s %s" % item for item in here["settings"].items())
    lines = ["%s, %d cores, Linux %s, %s; load %.1f before" % (here["cpu"], here["cores"], here["kernel"], here["system"], here["load_before"]),
             settings, "; ".join("%s: %s" % item for item in programs.items())]
    if bench.ciphers:
        lines.append("cipher of ours: " + bench.ciphers["ours"])
    lines.append("Medians, ranges in brackets; %d rounds, %d of what takes long; it took %d s." % (bench.rounds, bench.long_rounds, facts["took_seconds"]))
    return "\n".join(lines)


# --- files --------------------------------------------------------------------------------------


def write_json(path, content):
    with open(path, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


def draw(path, bench, facts):
    """A dot for each side: how many times better than stock OpenSSH.  False without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench"})
    from matplotlib import pyplot, ticker

    results = bench.results()
    shown = [figure for figure in FIGURES if results.get(figure.key, {}).get("openssh", {}).get("median")]
    picture, axes = pyplot.subplots(figsize=(10, 1.6 + 0.3 * max(len(shown), 1)), layout="constrained")
    for side in [key for key in bench.labels if key != "keepalive"]:
        points = [(times_better(figure, results[figure.key].get(side), results[figure.key]["openssh"]), -i) for i, figure in enumerate(shown)]
        points = [point for point in points if point[0]]
        if points:
            axes.scatter(*zip(*points), s=70 if side == "ours" else 40, color=COLOURS[side], label=bench.labels[side], zorder=4 if side == "ours" else 3)
    wanted = [(goal.limit if figure.better == "more" else 1 / goal.limit, -i)
              for i, figure in enumerate(shown) for goal in figure.goals if goal.against == "openssh"]
    if wanted:
        axes.scatter(*zip(*wanted), s=160, marker="|", color="black", label="goal", zorder=2)
    axes.set(xscale="log", xlabel="times better than %s with its defaults" % bench.labels["openssh"])
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: "%g" % value)
    axes.set_yticks([-i for i in range(len(shown))], [figure.title for figure in shown])
    axes.grid(axis="both", color="#e0e0e0", zorder=0)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.06 - 1 / max(len(shown), 4)), ncol=4, frameon=False)
    axes.set_title("%s, %d cores, Linux %s" % (facts["machine"]["cpu"], facts["machine"]["cores"], facts["machine"]["kernel"]), fontsize=10)
    picture.savefig(path, metadata={"Date": None})
    pyplot.close(picture)
    return True
