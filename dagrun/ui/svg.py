"""A view as one SVG file: no scripts, no fonts, nothing from elsewhere.

What a colour says is said by a sign and by the border too. Layers go down the page or to the
right, whichever gives the better proportions. The colours follow the reader's light or dark mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from dagrun.ui.layers import Layered, Spot, lay_out, layers_of
from dagrun.ui.view import ACTIONS, Node, Shape, View

LETTER, SMALL = 7.9, 6.1
"""Widths of a letter of a name (13 px, fixed width) and of what is told below it (11 px)."""
MARGIN, HEAD, FOOT = 24.0, 52.0, 52.0
MOST_DETAILED = 80
"""Stages up to which each box tells rows and seconds."""
STYLE = """
svg{font-family:system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
.back{fill:#fff}.title{font-size:17px;font-weight:600;fill:#111827}
.sum{font-size:12px;fill:#4b5563}.key{font-size:12px;fill:#374151}
.name{font:500 13px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#111827}
.about{font-size:11px;fill:#4b5563}.more{font-size:10px;fill:#6b7280}
.focus .name{font-weight:700;text-decoration:underline}
.edge{fill:none;stroke:#9ca3af;stroke-width:1.4}.tip{fill:#9ca3af}
.box{fill:#f3f4f6;stroke:#6b7280;stroke-width:1.4}.sign{fill:none;stroke:#374151;stroke-width:1.8;
stroke-linecap:round;stroke-linejoin:round}
.hit .box{fill:#eef6f0;stroke:#5b8c6b}.hit .sign{stroke:#2f6b43}
.run .box{fill:#dbeafe;stroke:#1d4ed8;stroke-width:2.4}.run .sign{stroke:#1d4ed8;fill:#1d4ed8}
.unknown .box{fill:#fef6e0;stroke:#b45309;stroke-dasharray:5 3}.unknown .sign{stroke:#92400e}
.prune{opacity:.6}.prune .box{stroke-dasharray:1 3}
@media (prefers-color-scheme:dark){
.back{fill:#0f141b}.title,.name{fill:#f3f4f6}.sum,.about,.key{fill:#b6bec9}.more{fill:#9ca3af}
.edge{stroke:#5b6676}.tip{fill:#5b6676}.box{fill:#1f2733;stroke:#8b95a5}.sign{stroke:#d1d5db}
.hit .box{fill:#14261b;stroke:#5f9f75}.hit .sign{stroke:#86c79b}
.run .box{fill:#172a52;stroke:#7aa7ff}.run .sign{stroke:#7aa7ff;fill:#7aa7ff}
.unknown .box{fill:#33270f;stroke:#e0a24a}.unknown .sign{stroke:#f0bd6d}}
"""
_SIGNS: Mapping[str, str] = {
    "hit": "M-4.5 0.5l3 3.5 6-7.5",
    "run": "M-3 -4.5l7 4.5-7 4.5z",
    "prune": "M-4 -4l8 8M-4 4l8 -8",
    "unknown": "M-2.8 -2.6a2.9 2.9 0 1 1 4.4 2.6q-1.6 1-1.6 2.2M0 5.2v.1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where things are: direction, sizes of boxes, and where each layer begins and ends."""

    drawn: Layered
    rightward: bool
    lengths: Mapping[str, float]
    starts: tuple[float, ...]
    ends: tuple[float, ...]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of what is between head and foot, margins included."""
        along = (self.ends[-1] if self.ends else 0.0) + 2 * MARGIN
        across = self.drawn.extent + 2 * MARGIN
        return (along, across) if self.rightward else (across, along)

    def point(self, along: float, across: float) -> tuple[float, float]:
        """Return x and y on the page."""
        x, y = (along, across) if self.rightward else (across, along)
        return round(x + MARGIN, 1), round(y + MARGIN + HEAD, 1)


def make_frame(view: View) -> Frame:
    """Lay a view out, in the direction that gives the better proportions."""
    detailed = len(view.nodes) <= MOST_DETAILED
    widths = {name: _width(node, detailed) for name, node in view.nodes.items()}
    height = 44.0 if detailed else 30.0
    layers: dict[int, list[str]] = {}
    for name, layer in layers_of(list(view.nodes), view.upstream).items():
        layers.setdefault(layer, []).append(name)
    widest = max((sum(widths[name] + 26 for name in layer) for layer in layers.values()), default=0)
    longest = max((len(layer) for layer in layers.values()), default=0) * (height + 14)
    reach = sum(max(widths[name] for name in layer) + 50 for layer in layers.values())
    rightward = _awkwardness(reach, longest) < _awkwardness(widest, len(layers) * (height + 40))
    heights = dict.fromkeys(widths, height)
    sizes, lengths = (heights, widths) if rightward else (widths, heights)
    drawn = lay_out(list(view.nodes), view.upstream, sizes, 14.0 if rightward else 26.0)
    return _frame(drawn, lengths, rightward=rightward)


def _awkwardness(width: float, height: float) -> float:
    """Return how far a page is from four to three, and from the width of a screen."""
    width, height = width + 2 * MARGIN, height + 2 * MARGIN
    return max(width * 3, height * 4) / min(width * 3, height * 4) * max(1.0, width / 1600)


def _width(node: Node, detailed: bool) -> float:
    name = len(node.name) * LETTER + (22 if node.action else 0)
    about = len(node.about) * SMALL if detailed else 0.0
    return max(name, about) + (40 if node.shape == "gate" else 30)


def _frame(drawn: Layered, lengths: Mapping[str, float], *, rightward: bool) -> Frame:
    starts, ends, at = [], [], 0.0
    for layer in drawn.layers:
        starts.append(at)
        ends.append(
            at + max((lengths[spot.owner] for spot in layer if not spot.is_line), default=0)
        )
        crowd = sum(len(spot.below) for spot in layer)
        at = ends[-1] + (34 if not rightward else 44) + min(70.0, 1.2 * crowd)
    return Frame(
        drawn=drawn,
        rightward=rightward,
        lengths=lengths,
        starts=tuple(starts),
        ends=tuple(ends),
    )


def to_svg(view: View) -> str:
    """Return the SVG file of a view."""
    frame = make_frame(view)
    width, height = frame.size
    width = max(width, 2 * MARGIN + len(view.summary) * SMALL, 2 * MARGIN + _legend_width(view))
    height += HEAD + FOOT
    number = {name: at for at, name in enumerate(view.nodes)}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-labelledby="title sum">',
        f"<style>{STYLE.strip()}</style>",
        f'<rect class="back" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text class="title" id="title" x="{MARGIN}" y="34">{escape(view.title)}</text>',
        f'<text class="sum" id="sum" x="{MARGIN}" y="54">{escape(view.summary)}</text>',
        '<g id="edges">',
        *_edges(view, frame, number),
        '</g><g id="nodes">',
    ]
    for layer in frame.drawn.layers:
        for spot in layer:
            if not spot.is_line:
                node = view.nodes[spot.owner]
                kind = f"{node.action} focus" if spot.owner in view.focus else node.action
                lines += _node(node, kind, spot, frame, number[spot.owner])
    lines += ["</g>", *_legend(view, height - FOOT + 22), "</svg>"]
    return "\n".join(lines) + "\n"


def _edges(view: View, frame: Frame, number: Mapping[str, int]) -> Iterator[str]:
    """Yield a path for each piece between two layers; `data-to` has the stages it leads to."""
    reached = _reached(frame)
    for layer in frame.drawn.layers:
        for spot in layer:
            for after in spot.below:
                leads = reached[id(after)] if after.is_line else [after.owner]
                items = view.taken.get((spot.owner, after.owner), "")
                told = f"{spot.owner} to {', '.join(leads[:5])}"
                to = " ".join(str(number[name]) for name in leads)
                yield (
                    f'<g data-from="{number[spot.owner]}" data-to="{to}">'
                    f"<title>{escape(told)}{escape(f': {items}' if items else '')}</title>"
                    f"{_path(spot, after, frame)}</g>"
                )


def _reached(frame: Frame) -> dict[int, list[str]]:
    """Return the stages that each line leads to."""
    reached: dict[int, list[str]] = {}
    for layer in reversed(frame.drawn.layers):
        for spot in layer:
            if spot.is_line:
                reached[id(spot)] = [
                    name
                    for after in spot.below
                    for name in (reached[id(after)] if after.is_line else [after.owner])
                ]
    return reached


def _path(spot: Spot, after: Spot, frame: Frame) -> str:
    end, start = frame.ends[spot.layer], frame.starts[after.layer]
    begin = frame.starts[spot.layer]
    if not spot.is_line:
        begin += frame.lengths[spot.owner]
    arrow = 0.0 if after.is_line else 6.0
    from_, to = _port(spot, after, spot.below, frame), _port(after, spot, after.above, frame)
    middle = (end + start - arrow) / 2
    points = [frame.point(*place) for place in ((begin, from_), (end, from_))]
    curve = [frame.point(*place) for place in ((middle, from_), (middle, to), (start - arrow, to))]
    (x, y), (x2, y2) = points
    # A line that several edges share through a layer is drawn once.
    drawn = spot.is_line and after is not spot.below[0]
    straight = "" if (x, y) == (x2, y2) or drawn else f"L{x2:g} {y2:g}"
    x, y = (x2, y2) if drawn else (x, y)
    bends = " ".join(f"{a:g} {b:g}" for a, b in curve)
    path = f'<path class="edge" d="M{x:g} {y:g}{straight}C{bends}"/>'
    if after.is_line:
        return path
    corners = ((start - arrow, to - 3.5), (start, to), (start - arrow, to + 3.5))
    tip = " ".join(f"{a:g},{b:g}" for a, b in (frame.point(*corner) for corner in corners))
    return f'{path}<polygon class="tip" points="{tip}"/>'


def _port(spot: Spot, other: Spot, others: list[Spot], frame: Frame) -> float:
    """Return where on its box an edge begins or ends: side by side in the order of the others."""
    if spot.is_line or len(others) < 2:
        return spot.across
    places = sorted({each.across for each in others})
    room = spot.size * (0.5 if frame.rightward else 0.4)
    step = min(12.0, room / len(places))
    return spot.across + (places.index(other.across) - (len(places) - 1) / 2) * step


def _node(node: Node, kind: str, spot: Spot, frame: Frame, number: int) -> Iterator[str]:
    length = frame.lengths[node.name]
    width, height = (length, spot.size) if frame.rightward else (spot.size, length)
    along = frame.starts[spot.layer] + length / 2
    x, y = frame.point(along, spot.across)
    facts = escape("\n".join((node.name, *node.facts)))
    yield f'<g class="node {kind}" data-n="{number}" transform="translate({x:g} {y:g})">'
    yield f"<title>{facts}</title>{_box(node, width, height)}"
    detailed = node.about and height > 40
    base = -2.5 if detailed else 4.5
    shift = 0.0
    if node.action:
        shift = 9.0
        place = f"translate({-len(node.name) * LETTER / 2 - 3:.1f} {base - 4.5:g})"
        yield f'<path class="sign" transform="{place}" d="{_SIGNS[node.action]}"/>'
    yield _text("name", node.name, base, shift)
    if detailed:
        yield _text("about", node.about, 13.5)
    for count, side, y in zip(node.hidden, ("above", "below"), (-4, height + 11), strict=True):
        if count:
            corner = f'x="{-width / 2 + 4:g}" y="{y - height / 2:g}"'
            yield f'<text class="more" {corner}>+{count} {side}</text>'
    yield "</g>"


def _text(kind: str, text: str, y: float, x: float = 0.0) -> str:
    return f'<text class="{kind}" text-anchor="middle" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _box(node: Node, width: float, height: float) -> str:
    x, y = -width / 2, -height / 2
    if node.shape == "gate":
        cut = 12.0
        corners = ((x, 0), (x + cut, y), (-x - cut, y), (-x, 0), (-x - cut, -y), (x + cut, -y))
        return f'<polygon class="box" points="{" ".join(f"{a:g},{b:g}" for a, b in corners)}"/>'
    radius = height / 2 if node.shape == "effect" else 7
    return (
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        f'rx="{radius:g}"/>'
    )


def _entries(view: View) -> list[tuple[str, str, Shape]]:
    """Return what the legend explains, text, action and shape: only what is in the picture."""
    entries: list[tuple[str, str, Shape]] = [
        (ACTIONS[action], action, "stage") for action in view.counts
    ]
    shapes = dict.fromkeys(node.shape for node in view.nodes.values())
    return entries + [(shape, "", shape) for shape in shapes if shape != "stage"]


def _entry_width(text: str) -> float:
    return 62 + len(text) * 6.4


def _legend_width(view: View) -> float:
    return sum(_entry_width(text) for text, _, _ in _entries(view))


def _legend(view: View, y: float) -> Iterator[str]:
    """Yield what the signs and shapes mean."""
    x = MARGIN
    yield '<g id="legend">'
    for text, action, shape in _entries(view):
        sign = f'<path class="sign" d="{_SIGNS[action]}"/>' if action else ""
        box = _box(Node(name="", shape=shape), 30, 20)
        yield (
            f'<g class="{action}" transform="translate({x + 15:g} {y:g})">{box}{sign}'
            f'<text class="key" x="22" y="4">{text}</text></g>'
        )
        x += _entry_width(text)
    yield "</g>"
