#!/usr/bin/env python3
"""Tests of what the runner works out and writes; it measures nothing. Run by `make unit`, and by itself.

The last line counts: "N passed, N failed".
"""

import re
import struct
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runner import figures, gateways, marks, plot, processes, report  # noqa: E402


def rounds(figure, *values):
    """What rounds gave of one figure; a text is the reason why a round failed."""
    return [{"error": value} if isinstance(value, str) else {figure: value} for value in values]


def results(cells, **run):
    """The results of a run with mcproxy and two peers."""
    names = {"mcproxy": "mcproxy", "slow": "slow peer", "fast": "fast peer"}
    known = {"version": "1", "remark": "", "bytes": 2_097_152, "commands": ["x"]}
    return figures.Results({
        "cells": cells, "peers": ["slow", "fast"],
        "gateways": {key: {"title": title, **known} for key, title in names.items()},
        "machine": {"processor": "a processor"}, "date": "2026-01-02", "command": "make bench", "mcproxy": "v1",
        "missing": [], "rounds": 3, "payload": 100, "legs": 2, **run,
    })


def verdicts(cells, beginning, **run):
    """The words for the marks that begin so."""
    found = [mark.verdict() for mark in marks.of(results(cells, **run)) if mark.wanted.startswith(beginning)]
    assert found, f"no mark begins with {beginning!r}"
    return found


class Figures(unittest.TestCase):
    def test_a_spread_is_median_least_and_greatest(self):
        self.assertEqual(figures.Spread.of([5, None, 1, 9]), figures.Spread(5, 1, 9))
        self.assertEqual(figures.Spread.of([4, 2]), figures.Spread(3, 2, 4))
        self.assertIsNone(figures.Spread.of([None]))

    def test_a_ratio_is_taken_within_the_round_against_the_best_of_it(self):
        cells = {"c": {
            "mcproxy": rounds("f", 100, 300, 60), "slow": rounds("f", 10, 30, 30), "fast": rounds("f", 20, 100, "died"),
        }}
        # 100/20, 300/100, and 60/30 where the fast one has failed. That of the medians would be 100/60.
        self.assertEqual(results(cells).ratios("c", "mcproxy", ["slow", "fast"], "f"), figures.Spread(3, 2, 5))

    def test_the_best_can_be_the_least(self):
        cells = {"c": {"mcproxy": rounds("f", 50), "slow": rounds("f", 400), "fast": rounds("f", 100)}}
        self.assertEqual(results(cells).ratios("c", "mcproxy", ["slow", "fast"], "f", min).median, 0.5)
        self.assertEqual(results(cells).best("c", ["slow", "fast"], "f", min), "fast")
        self.assertEqual(results(cells).best("c", ["slow", "fast"], "f", max), "slow")

    def test_no_ratio_where_nobody_else_has_the_figure(self):
        cells = {"c": {"mcproxy": rounds("f", 50), "slow": rounds("f", "died")}}
        self.assertIsNone(results(cells).ratios("c", "mcproxy", ["slow", "absent"], "f"))
        self.assertIsNone(results(cells).best("c", ["slow"], "f"))

    def test_figures_have_three_digits_that_mean_something(self):
        said = {
            0: "0", 12: "12", 0.5: "0.50", -0.001: "0.00", -0.5: "-0.50", 1.234: "1.23", 12.34: "12.3",
            123.4: "123", 1234: "1,230", 52_749: "52,700", 611_111: "611,000",
        }
        for value, text in said.items():
            self.assertEqual(figures.number(value), text)
        self.assertEqual(figures.number(None), "–")
        self.assertEqual(figures.told(figures.Spread(2, 1, 3)), "2 (1–3)")
        self.assertEqual(figures.told(figures.Spread(2.0, 2.0, 2.0)), "2.00")


class Marks(unittest.TestCase):
    def test_three_times_the_best_peer(self):
        cell = "calls/http/8/100"
        met = {cell: {"mcproxy": rounds("calls_per_second", 30), "fast": rounds("calls_per_second", 10)}}
        missed = {cell: {"mcproxy": rounds("calls_per_second", 29), "fast": rounds("calls_per_second", 10)}}
        self.assertEqual(verdicts(met, "Streamable HTTP ×8: ≥ 3 × the calls"), ["met"])
        self.assertEqual(verdicts(missed, "Streamable HTTP ×8: ≥ 3 × the calls"), ["**missed**"])
        self.assertEqual(verdicts({}, "Streamable HTTP ×8: ≥ 3 × the calls"), ["not measured"])

    def test_a_mark_is_missed_if_a_round_failed(self):
        cells = {"calls/sse/64/100": {
            "mcproxy": rounds("calls_per_second", 9, "died"), "fast": rounds("calls_per_second", 1),
        }}
        self.assertEqual(verdicts(cells, "HTTP+SSE ×64: ≥ 3"), ["**missed**"])

    def test_a_mark_names_the_peers_that_failed(self):
        cells = {"calls/http/8/65536": {
            "mcproxy": rounds("calls_per_second", 9), "fast": rounds("calls_per_second", "died"),
            "slow": rounds("calls_per_second", 3, "died"),
        }}
        reached = [mark.reached for mark in marks.of(results(cells)) if mark.wanted.startswith("64 KiB ×8: ≥ 2")]
        self.assertEqual(reached, ["3.00 × slow peer; failed: fast peer"])

    def test_less_is_better_for_times(self):
        cell = "calls/sse/1/100"
        cells = {cell: {"mcproxy": rounds("p50_us", 59), "fast": rounds("p50_us", 100), "slow": rounds("p50_us", 400)}}
        self.assertEqual(verdicts(cells, "HTTP+SSE ×1: p50"), ["met"])
        cells[cell]["mcproxy"] = rounds("p50_us", 61)
        self.assertEqual(verdicts(cells, "HTTP+SSE ×1: p50"), ["**missed**"])

    def test_the_tail_is_held_against_the_median_of_its_round(self):
        cells = {"calls/http/64/100": {"mcproxy": [{"p50_us": 100, "p99_us": 290}, {"p50_us": 10, "p99_us": 40}]}}
        self.assertEqual(verdicts(cells, "Streamable HTTP ×64: p99"), ["**missed**"])

    def test_memory_is_told_in_mib(self):
        cells = {"idle/10": {"mcproxy": [{"rss": 2048, "pss": 1024}]}}
        self.assertEqual(verdicts(cells, "≤ 2 MiB RSS"), ["met"])
        cells["idle/10"]["mcproxy"][0]["rss"] = 2100
        self.assertEqual(verdicts(cells, "≤ 2 MiB RSS"), ["**missed**"])

    def test_flat_is_one_cell_by_another(self):
        cells = {
            "flat/50x40/8": {"mcproxy": rounds("calls_per_second", 85, 89)},
            "flat/1x5/8": {"mcproxy": rounds("calls_per_second", 100, 100)},
            "cost/1": {"mcproxy": rounds("gateway_cpu_us_per_call", 10)},
            "cost/1000": {"mcproxy": rounds("gateway_cpu_us_per_call", 11)},
        }
        self.assertEqual(verdicts(cells, "50 children and 2,000 tools, ×8"), ["**missed**"])
        self.assertEqual(verdicts(cells, "cost per call"), ["met"])

    def test_beside_a_mark_stands_what_the_bare_shape_reached(self):
        cell = "calls/http/8/100"
        cells = {cell: {
            "mcproxy": rounds("calls_per_second", 20, 40), "fast": rounds("calls_per_second", 10, 20),
            "shape-ears-lent": rounds("calls_per_second", 35, 60), "shape-loop": rounds("calls_per_second", 60, 80),
            "shape-locked": rounds("calls_per_second", 10, 10),
        }}
        wanted = "Streamable HTTP ×8: ≥ 3 × the calls"

        def floor():
            return [mark.floor for mark in marks.of(results(cells)) if mark.wanted.startswith(wanted)]

        # In the two rounds 3.5 and 3 of the peer by the one design, 6 and 4 by the other.
        self.assertEqual(floor(), ["3.25 (3.00–3.50) `ears-lent`, 5.00 (4.00–6.00) `loop`"])
        del cells[cell]["shape-loop"]
        self.assertEqual(floor(), ["3.25 (3.00–3.50) `ears-lent`"])
        del cells[cell]["shape-ears-lent"], cells[cell]["shape-locked"]
        self.assertEqual(floor(), ["–"])

    def test_the_floor_of_a_time_is_the_least(self):
        cell = "calls/http/8/100"
        cells = {cell: {
            "mcproxy": rounds("gateway_cpu_us_per_call", 30), "shape-ears-lent": rounds("gateway_cpu_us_per_call", 16),
            "shape-queues": rounds("gateway_cpu_us_per_call", 31), "shape-loop": rounds("gateway_cpu_us_per_call", 8),
        }}
        floors = [mark.floor for mark in marks.of(results(cells)) if mark.wanted.startswith("Streamable HTTP ×8: ≤ 25")]
        self.assertEqual(floors, ["16 `ears-lent`, 8 `loop`"])

    def test_one_more_caller_is_judged_by_the_turns(self):
        beginning = "no slower for one more caller"
        cell = {"p50_us_before": 50, "p50_us_with": 120, "p50_us_ratio": 1.05, "gateway_cpu_us_per_call_ratio": 1.02}
        self.assertEqual(verdicts({"sessions/sse": {"mcproxy": [cell]}}, beginning), ["met"])
        slower = {**cell, "p50_us_with": 50, "p50_us_ratio": 1.2}
        self.assertEqual(verdicts({"sessions/sse": {"mcproxy": [slower]}}, beginning), ["**missed**"])

    def test_the_size_of_the_static_binary(self):
        self.assertEqual(verdicts({}, "static", static_bytes=1_572_864), ["met"])
        self.assertEqual(verdicts({}, "static", static_bytes=1_600_000), ["**missed**"])
        self.assertEqual(verdicts({}, "static"), ["not measured"])


class Document(unittest.TestCase):
    CELLS = {
        f"calls/http/{clients}/100": {
            "limit-http": rounds("calls_per_second", 100_000),
            "mcproxy": rounds("calls_per_second", 40_000, 50_000, 45_000),
            "fast": rounds("calls_per_second", 10_000, "wrong payload", 9_000),
            "slow": rounds("calls_per_second", "it died <1>"),
        } for clients in (1, 8, 64)
    }

    def test_tables_are_whole(self):
        text = report.document(results(self.CELLS), "")
        tables = re.findall(r"(?:^\|.*\|\n)+", text, re.M)
        self.assertGreaterEqual(len(tables), 3)
        for one in tables:
            self.assertEqual(len({line.count(" | ") for line in one.splitlines()}), 1, one)

    def test_nobody_who_failed_is_dropped(self):
        text = report.document(results(self.CELLS), "")
        self.assertIn("| slow peer | failed<sup>2</sup> |", text)
        self.assertIn("<sup>2</sup> it died &lt;1&gt;", text)
        # Two of its three rounds count, and the reference says why not the third.
        self.assertIn("| fast peer | 9,500 (9,000–10,000)<sup>1</sup> |", text)
        self.assertIn("**mcproxy** | 45,000 (40,000–50,000) |", text)

    def test_modes_that_were_not_run_have_no_section(self):
        text = report.document(results(self.CELLS), "")
        self.assertIn("\n## Calls\n", text)
        for title in ("Memory", "Start", "Large payloads", "Many servers"):
            self.assertNotIn(f"\n## {title}", text)

    def test_remarks_stand_at_the_end_as_they_are(self):
        text = report.document(results(self.CELLS), "Tried: *this* and that.\n")
        self.assertTrue(text.endswith("\n## Remarks\nTried: *this* and that.\n"))
        self.assertIn("(#remarks)", text)


class Drawing(unittest.TestCase):
    def test_it_is_xml_with_its_text_as_text(self):
        root = xml.etree.ElementTree.fromstring(report.drawing(results(Document.CELLS)))
        words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        for word in ("Streamable HTTP", "mcproxy", "fast peer", "slow peer", "failed", "45,000", "limit: plain HTTP echo"):
            self.assertIn(word, words)

    def test_bars_are_as_long_as_their_figures(self):
        rows = [("a", "own", [figures.Spread(50, 40, 60)] * 3), ("b", "peer", [figures.Spread(100, 100, 100)] * 3)]
        panels = [("p", rows)]
        text = plot.svg(panels, "t", "n")
        own, peer = (
            float(re.search(rf'<rect class="{kind}0" x="{plot.LABELS}" y="[\d.]+" width="([\d.]+)"', text)[1])
            for kind in ("own", "peer")
        )
        self.assertAlmostEqual(peer / own, 2, places=2)
        self.assertEqual(text.count('class="spread"'), 3)

    def test_the_scale_ends_at_a_round_figure(self):
        for value, end in ((1, 1), (5, 6), (61_000, 80_000), (81_000, 100_000), (101, 200)):
            self.assertEqual(plot.nice(value), end)

    def test_nothing_is_drawn_of_nothing(self):
        self.assertIsNone(report.drawing(results({})))


class Processes(unittest.TestCase):
    def test_all_generations_are_found(self):
        parent_of = {1: 0, 10: 1, 11: 10, 12: 10, 13: 12, 20: 1}
        self.assertEqual(processes.below(10, parent_of), [11, 12, 13])
        self.assertEqual(processes.below(13, parent_of), [])

    def test_a_failure_says_the_last_words(self):
        with self.assertRaisesRegex(processes.Failed, "^no such luck$"):
            processes.run(["sh", "-c", "echo first >&2; echo no such luck >&2; exit 3"], 10)
        with self.assertRaisesRegex(processes.Failed, "^no result within 0 s$"):
            processes.run(["sleep", "30"], 0.1)

    def test_a_static_program_asks_for_no_loader(self):
        # The head of an ELF file of 64 bits, its table of one program header right behind it.
        head = b"\x7fELF\x02" + bytes(27) + struct.pack("=Q", 64) + bytes(14) + struct.pack("=HH", 56, 1) + bytes(6)
        for kind, static in ((1, True), (3, False)):
            with tempfile.NamedTemporaryFile() as file:
                file.write(head + struct.pack("=I", kind) + bytes(52))
                file.flush()
                self.assertEqual(gateways.is_static(file.name), static)
        self.assertFalse(gateways.is_static(__file__))


class Counting(unittest.TextTestResult):
    """Counts as the other test runners do."""

    def stopTestRun(self):
        super().stopTestRun()
        failed = len(self.failures) + len(self.errors)
        print(f"{self.testsRun - failed} passed, {failed} failed", flush=True)


if __name__ == "__main__":
    unittest.main(testRunner=unittest.TextTestRunner(stream=sys.stderr, resultclass=Counting))
