"""A layered drawing of a DAG: who stands in which layer, in which order, and where exactly.

The method is that of Sugiyama, Tagawa and Toda (1981): layers by longest path, orders by the
barycentre of the neighbours, swept up and down while crossings become fewer. All edges of a stage
that lead past a layer share one line through it, so a stage that many take from has one trunk
instead of a bundle. Positions minimise the squares of the edges' slants, layer by layer, which
with a given order and given distances is an isotonic regression.

Guarantee: equal graphs give equal drawings; every edge leads from a layer to a later one; nothing
in one layer overlaps. The limit: crossings are few, not fewest (that is NP-hard).
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

SWEEPS, LEAST_SWEEPS = 24, 4
PATIENCE = 6
"""Sweeps without fewer crossings after which the order stays."""
SETTLING, LEAST_SETTLING = 100, 8
BUDGET = 200_000
"""Moves of a spot after which a large drawing is good enough; half of them order, half settle."""
_STRAIGHT = {0: 1.0, 1: 2.0, 2: 8.0}  # how strongly an edge resists slanting, by its line ends


@dataclass(slots=True)
class Spot:
    """A stage in its layer, or the place where a stage's line goes through a layer.

    Attributes:
        owner: the stage; `is_line` tells whether only its line is here.
        size: extent across the layer, in the caller's units.
        across: the middle, from the least place on.
        above, below: neighbouring spots in the layers before and after.
    """

    owner: str
    layer: int
    size: float
    is_line: bool = False
    across: float = 0.0
    above: list[Spot] = field(default_factory=list)
    below: list[Spot] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layered:
    """A finished drawing: the spots of each layer in order, and the extent across."""

    layers: tuple[tuple[Spot, ...], ...]
    extent: float


def layers_of(order: Sequence[str], upstream: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Return the layer of each stage of a topological order.

    It is the longest way from a start; a stage that takes nothing stands just before its consumer.
    """
    layer: dict[str, int] = {}
    nearest: dict[str, int] = {}
    for name in order:
        layer[name] = 1 + max((layer[before] for before in upstream[name]), default=-1)
        for before in upstream[name]:
            nearest[before] = min(nearest.get(before, layer[name]), layer[name])
    for name in order:
        if not upstream[name] and name in nearest:
            layer[name] = nearest[name] - 1
    return layer


def lay_out(
    order: Sequence[str],
    upstream: Mapping[str, Collection[str]],
    sizes: Mapping[str, float],
    gap: float,
) -> Layered:
    """Draw a topological order.

    Args:
        order: the stages.
        upstream: for each stage, the stages it takes from.
        sizes: extent of each stage across its layer.
        gap: least distance between two stages of a layer.
    """
    layers = _connect(order, upstream, sizes)
    layers = _fewest_crossings(layers)
    _settle(layers, gap)
    _straighten(layers, gap)
    spots = [spot for layer in layers for spot in layer]
    least = min((spot.across - spot.size / 2 for spot in spots), default=0.0)
    for spot in spots:
        spot.across -= least
    extent = max((spot.across + spot.size / 2 for spot in spots), default=0.0)
    return Layered(layers=tuple(map(tuple, layers)), extent=extent)


def _connect(
    order: Sequence[str], upstream: Mapping[str, Collection[str]], sizes: Mapping[str, float]
) -> list[list[Spot]]:
    """Put stages and the lines through layers into layers, in order of first use."""
    place = layers_of(order, upstream)
    layers: list[list[Spot]] = [[] for _ in range(max(place.values(), default=-1) + 1)]
    trunks: dict[str, list[Spot]] = {}
    for name in order:
        spot = Spot(name, place[name], sizes[name])
        layers[spot.layer].append(spot)
        trunks[name] = [spot]
        for before in upstream[name]:
            trunk = trunks[before]
            while trunk[-1].layer < spot.layer - 1:
                line = Spot(before, trunk[-1].layer + 1, 0.0, is_line=True)
                _join(trunk[-1], line)
                layers[line.layer].append(line)
                trunk.append(line)
            _join(trunk[spot.layer - 1 - trunk[0].layer], spot)
    return layers


def _join(above: Spot, below: Spot) -> None:
    above.below.append(below)
    below.above.append(above)


def _fewest_crossings(layers: list[list[Spot]]) -> list[list[Spot]]:
    best, fewest, stale = [list(layer) for layer in layers], _crossings(layers), 0
    for sweep in range(_turns(layers, SWEEPS, LEAST_SWEEPS)):
        if not fewest or stale > PATIENCE:
            break
        downward = sweep % 2 == 0
        for layer in layers[1:] if downward else layers[-2::-1]:
            _sort(layer, layers, downward=downward)
        count = _crossings(layers)
        stale += 1
        if count < fewest:
            best, fewest, stale = [list(layer) for layer in layers], count, 0
    return best


def _turns(layers: list[list[Spot]], most: int, least: int) -> int:
    spots = sum(map(len, layers))
    return max(least, min(most, BUDGET // 2 // max(spots, 1)))


def _sort(layer: list[Spot], layers: list[list[Spot]], *, downward: bool) -> None:
    """Sort a layer by the mean place of its neighbours; who has none keeps its place."""
    if not layer:
        return
    beside = layers[layer[0].layer + (-1 if downward else 1)]
    place = {id(spot): at for at, spot in enumerate(beside)}
    scale = len(beside) / len(layer)
    wanted = {}
    for at, spot in enumerate(layer):
        near = [place[id(each)] for each in (spot.above if downward else spot.below)]
        wanted[id(spot)] = sum(near) / len(near) if near else at * scale
    layer.sort(key=lambda spot: wanted[id(spot)])


def _crossings(layers: list[list[Spot]]) -> int:
    count = 0
    for above, below in itertools.pairwise(layers):
        place = {id(spot): at for at, spot in enumerate(below)}
        passed: list[int] = []
        for spot in above:
            ends = sorted(place[id(each)] for each in spot.below)
            count += sum(len(passed) - bisect.bisect_right(passed, end) for end in ends)
            for end in ends:
                bisect.insort(passed, end)
    return count


def _settle(layers: list[list[Spot]], gap: float) -> None:
    """Move every spot towards its neighbours as far as its layer lets it."""
    for layer in layers:
        at = 0.0
        for spot in layer:
            spot.across = at + spot.size / 2
            at += spot.size + gap
        for spot in layer:
            spot.across -= at / 2
    for turn in range(_turns(layers, SETTLING, LEAST_SETTLING)):
        for layer in layers if turn % 2 == 0 else layers[::-1]:
            wanted, weights = [], []
            for spot in layer:
                pulls = [(_strength(each, spot), each.across) for each in spot.above]
                pulls += [(_strength(spot, each), each.across) for each in spot.below]
                weight = sum(strength for strength, _ in pulls)
                middle = sum(strength * place for strength, place in pulls)
                wanted.append(middle / weight if weight else spot.across)
                weights.append(weight or 0.1)
            for spot, across in zip(layer, _spread(layer, wanted, weights, gap), strict=True):
                spot.across = across


def _strength(above: Spot, below: Spot) -> float:
    """Return how strongly an edge pulls; one of many at its ends pulls less."""
    crowd = len(above.below) * len(below.above)
    return _STRAIGHT[above.is_line + below.is_line] / math.sqrt(crowd)


def _distance(left: Spot, right: Spot, gap: float) -> float:
    """Return how far apart two neighbours' middles must be.

    A line needs less room beside a stage, and least beside another line.
    """
    near = gap * (1.0, 0.75, 0.5)[left.is_line + right.is_line]
    return left.size / 2 + near + right.size / 2


def _spread(
    layer: Sequence[Spot], wanted: Sequence[float], weights: Sequence[float], gap: float
) -> list[float]:
    """Return the places nearest to those wanted that keep order and distances (by pooling)."""
    offsets, at = [], 0.0
    for place, spot in enumerate(layer):
        if place:
            before = layer[place - 1]
            at += _distance(before, spot, gap)
        offsets.append(at)
    pools: list[list[float]] = []  # sum of weighted wishes, weight, number of spots
    for wish, weight, offset in zip(wanted, weights, offsets, strict=True):
        pools.append([(wish - offset) * weight, weight, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            last = pools.pop()
            pools[-1] = [ours + theirs for ours, theirs in zip(pools[-1], last, strict=True)]
    means = [total / weight for total, weight, count in pools for _ in range(int(count))]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _straighten(layers: list[list[Spot]], gap: float) -> None:
    """Let each line go straight through as many layers as there is room: few bends, no stairs."""
    place = {id(spot): at for layer in layers for at, spot in enumerate(layer)}
    starts = [
        spot for layer in layers for spot in layer if spot.is_line and not spot.above[0].is_line
    ]
    for start in starts:
        run: list[Spot] = []
        least, most = -math.inf, math.inf
        line: Spot | None = start
        while line is not None:
            low, high = _room(line, layers[line.layer], place[id(line)], gap)
            if run and (max(least, low) > min(most, high)):
                _align(run, least, most)
                run, least, most = [], -math.inf, math.inf
            run.append(line)
            least, most = max(least, low), min(most, high)
            line = next((after for after in line.below if after.is_line), None)
        _align(run, least, most)


def _room(spot: Spot, layer: Sequence[Spot], at: int, gap: float) -> tuple[float, float]:
    """Return between which places a spot may be moved in its layer."""
    low, high = -math.inf, math.inf
    if at:
        low = layer[at - 1].across + _distance(layer[at - 1], spot, gap)
    if at + 1 < len(layer):
        high = layer[at + 1].across - _distance(spot, layer[at + 1], gap)
    return min(low, spot.across), max(high, spot.across)


def _align(run: Sequence[Spot], least: float, most: float) -> None:
    middle = sum(spot.across for spot in run) / len(run)
    for spot in run:
        spot.across = min(max(middle, least), most)
