"""What medians, ratios and goals come to; run by ctest."""
import unittest

from sidebyside.figures import Figure, Goal, is_plausible, ratio, summary, three_digits, times_better, verdict

SPEED = Figure("speed", "speed", "MiB/s", "more")
COST = Figure("cost", "cost", "KiB", "less")


class Figures(unittest.TestCase):
    def test_summary(self):
        self.assertIsNone(summary([]))
        self.assertEqual(summary([5, 1, 9]), {"median": 5, "min": 1, "max": 9, "runs": 3})
        self.assertEqual(summary([1, 2, 3, 10])["median"], 2.5)

    def test_plausible(self):
        self.assertTrue(is_plausible([0.1, 3]))
        for values in ([], [0], [1, -1], [float("nan")], [float("inf"), 1]):
            self.assertFalse(is_plausible(values), values)
        self.assertTrue(is_plausible([0], may_be_zero=True))
        self.assertFalse(is_plausible([-1], may_be_zero=True))
        self.assertFalse(is_plausible([], may_be_zero=True))

    def test_ratio(self):
        self.assertEqual(ratio(summary([6]), summary([1, 3, 100])), 2)
        for one, other in ((None, summary([1])), (summary([1]), None), (summary([1]), summary([0]))):
            self.assertIsNone(ratio(one, other))

    def test_better_is_above_one_both_ways(self):
        self.assertEqual(times_better(SPEED, summary([6]), summary([3])), 2)
        self.assertEqual(times_better(COST, summary([6]), summary([3])), 0.5)
        self.assertIsNone(times_better(COST, summary([0]), summary([3])))

    def test_goals_against_a_side(self):
        sides = {"ours": summary([150]), "openssh": summary([100])}
        met = verdict(SPEED, Goal(1.5, "openssh"), sides, {})
        self.assertEqual((met["reached"], met["met"], met["off"]), (1.5, True, 0))
        missed = verdict(SPEED, Goal(2.0, "openssh"), sides, {})
        self.assertEqual((missed["met"], missed["off"]), (False, 0.25))
        self.assertIsNone(verdict(SPEED, Goal(2.0, "debian13"), sides, {}))
        self.assertIsNone(verdict(SPEED, Goal(2.0, "openssh"), {"openssh": summary([1])}, {}))

    def test_less_is_better(self):
        sides = {"ours": summary([30]), "openssh": summary([20])}
        self.assertEqual(verdict(COST, Goal(24), sides, {})["off"], 0.25)
        self.assertTrue(verdict(COST, Goal(30), sides, {})["met"])
        self.assertEqual(verdict(COST, Goal(1.0, "openssh"), sides, {})["off"], 0.5)

    def test_noise(self):
        goal = Goal(1.0, "openssh", noisy=True)
        overlapping = {"ours": summary([10, 12, 13]), "openssh": summary([9, 10, 11])}
        self.assertTrue(verdict(COST, goal, overlapping, {})["met"])
        apart = {"ours": summary([11, 12, 13]), "openssh": summary([9, 10, 30])}
        self.assertFalse(verdict(COST, goal, apart, {})["met"])

    def test_against_another_figure(self):
        figures = {"fast": {"ours": summary([100])}}
        self.assertTrue(verdict(SPEED, Goal(0.7, figure="fast"), {"ours": summary([70])}, figures)["met"])
        self.assertAlmostEqual(verdict(SPEED, Goal(0.7, figure="fast"), {"ours": summary([35])}, figures)["off"], 0.5)
        self.assertIsNone(verdict(SPEED, Goal(0.7, figure="fast"), {"ours": summary([35])}, {}))

    def test_digits(self):
        wanted = {0: "0", 1234.5: "1234", 123.45: "123", 12.345: "12.3", 1.2345: "1.23", 0.12345: "0.123", 0.000123: "0.0001"}
        for value, text in wanted.items():
            self.assertEqual(three_digits(value), text)
        self.assertEqual(three_digits(None), "-")


if __name__ == "__main__":
    unittest.main()
