"""What becomes of measured values: medians, ranges, ratios, and whether a goal is met.

Pure: it measures nothing and prints nothing.
"""
import math
import statistics


class Figure:
    """One kind of value, as a row of the table shows it.

    better: "more" or "less".  goals: what is wanted of `ours`, as Goal.  may_be_zero: whose values,
    as side keys, or "all".
    """

    def __init__(self, key, title, unit, better, goals=(), may_be_zero=()):
        assert better in ("more", "less")
        self.key, self.title, self.unit, self.better, self.goals = key, title, unit, better, goals
        self.may_be_zero = may_be_zero


class Goal:
    """limit: a ratio to the side `against`, or, without one, an amount in the figure's unit.

    figure: another figure of ours to compare with, for slow paths.  noisy: met too where the best of
    our runs is as good as their median.
    """

    def __init__(self, limit, against=None, figure=None, noisy=False):
        self.limit, self.against, self.figure, self.noisy = limit, against, figure, noisy


def summary(values):
    """Of the values that were measured; None where there is none."""
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def is_plausible(values, may_be_zero=False):
    return bool(values) and all(math.isfinite(value) and (value > 0 or (may_be_zero and value == 0)) for value in values)


def ratio(one, other):
    """Of two summaries' medians; None where it says nothing."""
    if not one or not other or other["median"] <= 0:
        return None
    return one["median"] / other["median"]


def times_better(figure, ours, theirs):
    """Above 1: ours is better, whichever way the figure goes."""
    quotient = ratio(ours, theirs)
    if quotient is None or quotient <= 0:
        return None
    return quotient if figure.better == "more" else 1 / quotient


def verdict(figure, goal, sides, figures):
    """What became of a goal: {"reached", "limit", "met", "off"}, or None where it was not measured.

    sides: summaries of this figure by side.  figures: the same of all figures by key.
    off: how far it is from the limit, as a part of the limit; 0 when it is met.
    """
    ours = sides.get("ours")
    other = figures.get(goal.figure, {}).get("ours") if goal.figure else sides.get(goal.against)
    absolute = goal.against is None and goal.figure is None
    reached = (ours["median"] if ours else None) if absolute else ratio(ours, other)
    if reached is None:
        return None
    if figure.better == "more":
        met, off = reached >= goal.limit, 1 - reached / goal.limit
    else:
        met, off = reached <= goal.limit, reached / goal.limit - 1
        met = met or (goal.noisy and not absolute and ours["min"] <= other["median"])
    return {"reached": reached, "limit": goal.limit, "met": met, "off": 0 if met else off}


def three_digits(value):
    """As people read it: 1234, 123, 12.3, 1.23, 0.123."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return "%.*f" % (min(digits, 4), value)
