"""Sums over rounds: medians, spreads, ratios within a round, and how a figure is written. Pure: measures nothing."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """What the rounds gave of one figure."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        """None where no round has it."""
        values = [value for value in values if value is not None]
        return Spread(statistics.median(values), min(values), max(values)) if values else None


class Results:
    """The results of a run: `cells[cell][gateway]` is a list with what each round measured, a dictionary of figures.

    A round that failed has the one key "error" instead. A cell's name says what is measured, such as
    "calls/http/8/100": mode, transport, clients, bytes of payload.
    """

    def __init__(self, run):
        self.run = run
        self.cells = run["cells"]

    def gateways(self, cell):
        """Who took part in a cell, in the order of the run."""
        return list(self.cells.get(cell, {}))

    def values(self, cell, gateway, figure):
        """The figure in each round; None where it is missing."""
        return [one.get(figure) for one in self.cells.get(cell, {}).get(gateway, [])]

    def spread(self, cell, gateway, figure):
        """Median, least and greatest; None if no round has it."""
        return Spread.of(self.values(cell, gateway, figure))

    def errors(self, cell, gateway):
        """Why rounds failed, each reason once."""
        return list(dict.fromkeys(one["error"] for one in self.cells.get(cell, {}).get(gateway, []) if "error" in one))

    def ratios(self, cell, gateway, others, figure, best=max):
        """In each round where both have it: the gateway's figure by the best of the others'."""
        found = []
        for number, own in enumerate(self.values(cell, gateway, figure)):
            theirs = [self.values(cell, other, figure)[number:number + 1] for other in others]
            theirs = [value for values in theirs for value in values if value]
            if own is not None and theirs:
                found.append(own / best(theirs))
        return Spread.of(found)

    def best(self, cell, others, figure, best=max):
        """The name of the other whose median is best, and None where none has one."""
        medians = {other: self.spread(cell, other, figure) for other in others}
        medians = {other: spread.median for other, spread in medians.items() if spread}
        return best(medians, key=medians.get) if medians else None


def number(value):
    """A figure as it is read: what was counted as it is, else three digits that mean something; thousands apart."""
    if value is None:
        return "–"
    size = abs(value)
    if isinstance(value, int) and size < 1000:
        return str(value)
    if size >= 1000:
        digits = len(str(int(size)))
        rounded = round(value, 3 - digits) if digits > 3 else round(value)
        return f"{int(rounded):,}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    # What is nearly nothing has no sign.
    return f"{round(value, 2) + 0.0:.2f}"


def told(spread):
    """Median, with least and greatest behind it where there was more than one round."""
    if spread is None:
        return "–"
    if spread.low == spread.high:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.low)}–{number(spread.high)})"
