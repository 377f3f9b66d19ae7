"""The plot: calls per second as bars, an SVG that is read in light and dark, its text as text. Pure."""

from html import escape

from . import figures

WIDTH = 880
LABELS = 230  # to the left of the bars, for the names
VALUES = 170  # to their right, for the figures
BAR = 12
BETWEEN = 14  # from the last bar of one name to the first of the next
CLIENTS = (1, 8, 64)

STYLE = """
    .page { fill: #ffffff; } text { fill: #1f2328; font: 12px system-ui, sans-serif; }
    .title { font-size: 15px; font-weight: 600; } .panel { font-size: 13px; font-weight: 600; }
    .note { fill: #59636e; } .grid { stroke: #d1d9e0; } .spread { stroke: #1f2328; }
    .own0 { fill: #9fd3c7; } .own1 { fill: #3fa796; } .own2 { fill: #12685b; }
    .peer0 { fill: #c3cfe6; } .peer1 { fill: #7f9bcb; } .peer2 { fill: #45639b; }
    .limit0 { fill: #e3dccb; } .limit1 { fill: #c9bc9c; } .limit2 { fill: #a3926a; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; } text { fill: #e6edf3; } .note { fill: #9198a1; } .grid { stroke: #30363d; }
      .spread { stroke: #e6edf3; }
      .own0 { fill: #1b5e53; } .own1 { fill: #2f9685; } .own2 { fill: #74d6c3; }
      .peer0 { fill: #32466e; } .peer1 { fill: #5575b0; } .peer2 { fill: #a3bdec; }
      .limit0 { fill: #4a4333; } .limit1 { fill: #7d7153; } .limit2 { fill: #c4b48a; }
    }
"""


def nice(value):
    """The least round figure that is not below the value, and whose quarters are round as well."""
    power = 1
    while True:
        for step in (1, 2, 3, 4, 6, 8):
            if step * power >= value:
                return step * power
        power *= 10


def text(x, y, words, style="", anchor="start"):
    """One line of text, its baseline at y."""
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'


def svg(panels, title, note):
    """The whole drawing. A panel is a pair of its title and its rows; a row is a triple of a name, a kind ("own",
    "peer" or "limit") and a spread, or None, for each of `CLIENTS`."""
    spreads = [spread for _, rows in panels for row in rows for spread in row[2] if spread]
    full = nice(max((spread.high for spread in spreads), default=1))
    drawn, y = [], 30
    drawn.append(text(20, y, title, "title"))
    y = legend(drawn, y + 24)
    for name, rows in panels:
        y = panel(drawn, y + 34, name, rows, full)
    drawn.append(text(20, y + 26, note, "note"))
    height = y + 42
    lines = "\n  ".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">\n  <style>{STYLE}  </style>\n'
        f'  <rect class="page" width="{WIDTH}" height="{height}" rx="6"/>\n  {lines}\n</svg>\n'
    )


def legend(drawn, y):
    """What the three shades mean; the next free y."""
    x = 20
    for shade, clients in enumerate(CLIENTS):
        for place, kind in enumerate(("own", "peer", "limit")):
            drawn.append(f'<rect class="{kind}{shade}" x="{x + place * 14}" y="{y - 10}" width="12" height="{BAR - 1}"/>')
        words = f"{clients} client" + "s" * (clients > 1)
        drawn.append(text(x + 48, y, words))
        x += 130
    drawn.append(text(x, y, "line: least to greatest of the rounds", "note"))
    return y


def panel(drawn, y, name, rows, full):
    """One transport: its title, the grid, a group of bars for each row; the next free y."""
    drawn.append(text(20, y, name, "panel"))
    top, scale = y + 10, (WIDTH - LABELS - VALUES) / full
    bottom = top + len(rows) * (len(CLIENTS) * BAR + BETWEEN)
    for part in range(5):
        x = LABELS + scale * full * part / 4
        drawn.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>')
        drawn.append(text(x, bottom + 14, f"{full * part / 4:,.0f}", "note", "middle"))
    y = top + BETWEEN / 2
    for label, kind, spreads in rows:
        drawn.append(text(LABELS - 10, y + len(CLIENTS) * BAR / 2 + 4, label, anchor="end"))
        for shade, spread in enumerate(spreads):
            bar(drawn, y + shade * BAR, f"{kind}{shade}", spread, scale)
        y += len(CLIENTS) * BAR + BETWEEN
    return bottom + 14


def bar(drawn, y, style, spread, scale):
    """One bar with its line and its figure; words where there is none."""
    if spread is None:
        drawn.append(text(LABELS + 4, y + BAR - 2, "failed", "note"))
        return
    low, middle, high = (LABELS + value * scale for value in (spread.low, spread.median, spread.high))
    drawn.append(f'<rect class="{style}" x="{LABELS}" y="{y:.1f}" width="{middle - LABELS:.1f}" height="{BAR - 1}"/>')
    if high - low >= 1:
        centre = y + (BAR - 1) / 2
        drawn.append(f'<line class="spread" x1="{low:.1f}" y1="{centre:.1f}" x2="{high:.1f}" y2="{centre:.1f}"/>')
    drawn.append(text(high + 5, y + BAR - 2, figures.number(spread.median)))
