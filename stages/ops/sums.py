"""Sums of doubles that are correctly rounded, computed by whole arrays.

Guarantee: a sum here equals `math.fsum` of the same values, so neither order nor threads nor
blocks show in it. Values are taken apart by exact additions and subtractions only: each pass cuts
from every value the leading bits above a common unit, whose sum no rounding touches, and the
remainders go to the next pass. After Rump, Ogita and Oishi, "Accurate floating-point summation,
part I", 2008 (ExtractVector). The limit: values of 2**1000 and more are left to `math.fsum`
itself, and all must be finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_BLOCK = 2**15
_HUGE = 2.0**1000
_SMALLEST = -1022
"""The exponent of the smallest unit: doubles below it are multiples of its last bit."""


def exact_sum(values: Doubles) -> float:
    """Return the sum of finite values, correctly rounded; 0.0 for none.

    Raises `OverflowError` when it exceeds the range of a double.
    """
    parts: list[float] = []
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        top = _largest(block)
        if top >= _HUGE:
            return math.fsum(values.tolist())
        parts.extend(float(cut.sum()) for cut in _cuts(block, top))
    return math.fsum(parts)


def exceeds(values: Doubles) -> bool:
    """Whether a value is too large for `cut_apart`."""
    return _largest(values) >= _HUGE


def cut_apart(values: Doubles) -> Iterator[Doubles]:
    """Yield arrays that add up to `values`, each of whose sums over any of the rows is exact.

    The sum over some rows is thus `math.fsum` of the arrays' plain sums, added in any order. The
    next array is written over the last. No value may be 2**1000 or more.
    """
    return _cuts(values, _largest(values))


def _largest(values: Doubles) -> float:
    return max(float(values.max()), -float(values.min())) if len(values) else 0.0


def _cuts(values: Doubles, top: float) -> Iterator[Doubles]:
    """Yield the leading bits of all values, pass by pass, in one buffer that is used again.

    With n + 2 <= 2**spare, every |value| <= 2**-spare * unit and unit a power of two, adding and
    subtracting the unit leaves a multiple of 2**-53 * unit, and so does every partial sum; the
    remainder is exact and at most 2**-53 * unit.
    """
    spare = (len(values) + 1).bit_length()
    exponent = math.frexp(top)[1] + spare
    rest, cut = values.copy(), np.empty_like(values)
    while top > 0.0:
        unit = math.ldexp(1.0, max(exponent, _SMALLEST))
        np.add(rest, unit, out=cut)
        np.subtract(cut, unit, out=cut)
        np.subtract(rest, cut, out=rest)
        yield cut
        exponent += spare - 53
        top = _largest(rest)
