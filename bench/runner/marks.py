"""What was to be reached, and whether this run did. Pure: figures in, verdicts out."""

from dataclasses import dataclass

from . import figures

OWN = "mcproxy"
NAMES = {"http": "Streamable HTTP", "sse": "HTTP+SSE", "stdio": "stdio"}
# agentgateway 1.1 is not installed here. It was measured on a machine of this kind with the same calls, and was the best
# of the peers at 8 clients over HTTP; calls/s.
AGENTGATEWAY_AT_8 = 13_100
# The bare gateways that show what a design can reach: the key of each, and how it is called in a line. mcproxy is of the
# first's.
SHAPES = {f"shape-{design}": f"`{design}`" for design in ("ears-lent", "pens", "queues", "loop", "locked")}


@dataclass(frozen=True)
class Mark:
    """One line: what was wanted, what was reached; `met` is None where it was not measured. `floor` is what a bare
    gateway reached of it in the same run."""

    wanted: str
    reached: str
    met: bool | None
    floor: str = "–"

    def verdict(self):
        """The one word."""
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


class Judge:
    """Holds figures of mcproxy against bounds. A figure is a function: its spread, given whose it is to be."""

    def __init__(self, results):
        self.results = results

    def least(self, wanted, figure, bound, unit, *cells):
        """A mark that the median has to reach. `cells` are those that it is taken from."""
        return self._held(wanted, figure, unit, cells, lambda median: median >= bound, max)

    def most(self, wanted, figure, bound, unit, *cells):
        """A mark that the median must not exceed."""
        return self._held(wanted, figure, unit, cells, lambda median: median <= bound, min)

    def _held(self, wanted, figure, unit, cells, holds, best):
        spread, floor = figure(OWN), self._floor(figure, best)
        # Whoever breaks down in one round of five has not reached what its other rounds say.
        failed = [error for cell in cells for error in self.results.errors(cell, OWN)]
        if failed:
            return Mark(wanted, f"failed: {'; '.join(failed)}", False, floor)
        if spread is None:
            return Mark(wanted, "–", None, floor)
        return Mark(wanted, figures.told(spread) + unit, holds(spread.median), floor)

    def _floor(self, figure, best):
        """What the bare gateway of mcproxy's own design reached, and what the best did, if another was better."""
        reached = {key: spread for key in SHAPES if (spread := figure(key))}
        if not reached:
            return "–"
        told = [key for key in list(SHAPES)[:1] if key in reached]
        told += [key for key in [best(reached, key=lambda one: reached[one].median)] if key not in told]
        return ", ".join(f"{figures.told(reached[key])} {SHAPES[key]}" for key in told)

    def of(self, cell, figure, factor=1):
        """The figure itself."""
        return lambda who: scaled(self.results.spread(cell, who, figure), factor)

    def against(self, cell, others, figure):
        """In each round, the figure by the greatest of others'."""
        return lambda who: self.results.ratios(cell, who, others, figure)

    def against_best(self, cell, figure, best=max):
        """In each round, the figure by the best peer's; and who that is, as a unit."""
        peers = [peer for peer in self.results.run["peers"] if peer in self.results.gateways(cell)]
        name = self.results.best(cell, peers, figure, best)
        titles = {peer: self.results.run["gateways"][peer]["title"] for peer in peers}
        out = [title for peer, title in titles.items() if not self.results.spread(cell, peer, figure)]
        unit = f" × {titles[name]}" + (f"; failed: {', '.join(out)}" if out else "") if name else ""
        return lambda who: self.results.ratios(cell, who, peers, figure, best), unit

    def quotient(self, cell, other, figure, other_figure=None):
        """In each round, the figure in one cell by that in another, or by another figure."""

        def quotient(who):
            above = self.results.values(cell, who, figure)
            below = self.results.values(other, who, other_figure or figure)
            return figures.Spread.of(one / two for one, two in zip(above, below, strict=False) if one and two)

        return quotient


def of(results):
    """All marks, in the order in which they are told."""
    judge = Judge(results)
    return [
        *_rates(judge), *_processor(judge), *_latency(judge), *_large(judge), *_memory(judge),
        judge.most("≤ 5 ms from exec to listening", judge.of("start", "listening_ms.median"), 5, " ms", "start"),
        *_flat(judge), _size(judge),
    ]


def _rates(judge):
    for transport in ("http", "sse"):
        for clients in (8, 64):
            cell = f"calls/{transport}/{clients}/100"
            ratio, unit = judge.against_best(cell, "calls_per_second")
            wanted = f"{NAMES[transport]} ×{clients}: ≥ 3 × the calls/s of the best peer (aim 4)"
            yield judge.least(wanted, ratio, 3, unit, cell)
    cell, bound = "calls/http/8/100", 3 * AGENTGATEWAY_AT_8
    wanted = f"{NAMES['http']} ×8: ≥ 3 × agentgateway 1.1, {bound:,} calls/s, by its figure from another run"
    yield judge.least(wanted, judge.of(cell, "calls_per_second"), bound, " calls/s", cell)


def _processor(judge):
    for transport in ("http", "sse"):
        cell = f"calls/{transport}/8/100"
        wanted = f"{NAMES[transport]} ×8: ≤ 25 µs gateway CPU per call (aim 18)"
        yield judge.most(wanted, judge.of(cell, "gateway_cpu_us_per_call"), 25, " µs", cell)


def _latency(judge):
    for transport in ("http", "sse"):
        cell = f"calls/{transport}/1/100"
        ratio, unit = judge.against_best(cell, "p50_us", min)
        unit += f"; {figures.told(own)} µs" if (own := judge.of(cell, "p50_us")(OWN)) else ""
        yield judge.most(f"{NAMES[transport]} ×1: p50 ≤ 0.6 × the best peer's", ratio, 0.6, unit, cell)
    for transport in ("http", "sse"):
        cell = f"calls/{transport}/64/100"
        ratio = judge.quotient(cell, cell, "p99_us", "p50_us")
        yield judge.most(f"{NAMES[transport]} ×64: p99 ≤ 3 × p50", ratio, 3, " × p50", cell)


def _large(judge):
    cell = "calls/http/8/65536"
    ratio, unit = judge.against_best(cell, "calls_per_second")
    yield judge.least("64 KiB ×8: ≥ 2 × the calls/s of the best peer", ratio, 2, unit, cell)
    pipe = judge.against(cell, ["limit-pipe"], "calls_per_second")
    yield judge.least("64 KiB ×8: ≥ 0.6 × the bare pipe", pipe, 0.6, " × the pipe", cell)


def _memory(judge):
    pss = judge.of("idle/10", "pss", 1 / 1024)(OWN)
    unit = f" MiB; PSS {figures.told(pss)} MiB" if pss else " MiB"
    yield judge.most("≤ 2 MiB RSS idle with 10 children", judge.of("idle/10", "rss", 1 / 1024), 2, unit, "idle/10")
    cell = "sessions/sse"
    rss, pss = judge.of(cell, "kib_per_session.rss"), judge.of(cell, "kib_per_session.pss")(OWN)
    unit = f" KiB RSS; PSS {figures.told(pss)} KiB" if pss else " KiB RSS"
    yield judge.most("≤ 16 KiB per idle SSE session at 1,000", rss, 16, unit, cell)
    given = judge.of(cell, "given_back.rss")
    yield judge.least("given back when they close: ≥ 0.9 of it", given, 0.9, "", cell)
    cpu = judge.of(cell, "gateway_cpu_us_per_call_ratio")(OWN)
    unit = f" × p50; gateway CPU per call {figures.told(cpu)} ×" if cpu else " × p50"
    wanted = "no slower for one more caller beside 1,000 idle SSE sessions: p50 ≤ 1.1 × that without them, turn by turn"
    yield judge.most(wanted, judge.of(cell, "p50_us_ratio"), 1.1, unit, cell)


def _flat(judge):
    lists = judge.of("list/2000", "calls_per_second")
    yield judge.least("tools/list of 2,000 tools of 50 servers: ≥ 10,000/s", lists, 10_000, "/s", "list/2000")
    for clients in (8, 64):
        cells = (f"flat/50x40/{clients}", f"flat/1x5/{clients}")
        ratio = judge.quotient(*cells, "calls_per_second")
        wanted = f"50 children and 2,000 tools, ×{clients}: ≥ 0.9 of the calls/s with 1 and 5"
        yield judge.least(wanted, ratio, 0.9, "", *cells)
    cells = ("cost/1000", "cost/1")
    ratio = judge.quotient(*cells, "gateway_cpu_us_per_call")
    wanted = "cost per call constant from 1 to 1,000 sessions: ≤ 1.1 × that at 1"
    yield judge.most(wanted, ratio, 1.1, " × that at 1", *cells)


def _size(judge):
    size = judge.results.run.get("static_bytes")
    spread = figures.Spread.of([size and size / 1024 / 1024])
    return judge.most("static musl binary ≤ 1.5 MiB", lambda who: spread if who == OWN else None, 1.5, " MiB")


def scaled(spread, factor):
    """The same in another unit."""
    if spread is None:
        return None
    return figures.Spread(spread.median * factor, spread.low * factor, spread.high * factor)
