"""What a stage's decorator declares, read into the one form in which a stage keeps it.

Every reader raises `SettingInvalid` for what it cannot read; the decorator adds the place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.engine.canonical import encode
from dagrun.engine.dispatching.amounts import SettingInvalid
from dagrun.engine.errors import Unhashable, listing, nearest
from dagrun.engine.reading import Readable

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def read_timeout(timeout: float | str | None) -> float | None:
    """Return a duration in seconds; None stays None."""
    if timeout is None:
        return None
    if isinstance(timeout, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", timeout)
        if not match:
            raise SettingInvalid(
                f"timeout {timeout!r} is not a duration such as '90s', '30m' or '2h'"
            )
        timeout = float(match[1]) * _SECONDS[match[2]]
    if timeout <= 0:
        raise SettingInvalid(f"timeout must be positive, not {timeout!r}")
    return float(timeout)


def read_swept(over: object) -> dict[str, tuple[Any, ...]]:
    """Return the params that a stage is swept over with their values; none if it is not."""
    if over is None or isinstance(over, str):
        return {}
    if not isinstance(over, Mapping) or not over:
        raise SettingInvalid(
            f"over must name an input, over='carriers', or give params their values, "
            f"over={{'depth': (4, 6)}}, not {over!r}"
        )
    return {str(name): _values(str(name), values) for name, values in over.items()}


def _values(name: str, values: object) -> tuple[Any, ...]:
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise SettingInvalid(
            f"over={{{name!r}: ...}} needs a list or tuple of values, not {values!r}"
        )
    try:
        encode(list(values), f"over[{name!r}]")
    except Unhashable as error:
        raise SettingInvalid(str(error)) from None
    return tuple(values)


def check_over(
    over: object, swept: Mapping[str, Any], inputs: Sequence[str], params: Mapping[str, Any]
) -> None:
    """Check that what a stage is mapped over are parameters of it: an input, files, or params."""
    if isinstance(over, str) and over not in inputs:
        if isinstance(params.get(over), Readable):
            return
        if over in params:
            raise SettingInvalid(
                f"over={over!r} names a param; to run once for each of several values write "
                f"over={{{over!r}: (..., ...)}}"
            )
        raise SettingInvalid(
            f"over={over!r} is no parameter of it.{nearest(over, inputs)} "
            f"Its inputs: {listing(inputs)}"
        )
    if unknown := [name for name in swept if name not in params]:
        raise SettingInvalid(
            f"over= gives values for {unknown[0]!r}, which is no parameter of it."
            f"{nearest(unknown[0], params)} Its params: {listing(list(params))}"
        )


def read_condition(when: object) -> tuple[str, bool]:
    """Return the artifact that decides whether a stage runs ("" for none), and what it must be."""
    if when == "":
        return "", True
    match = re.fullmatch(r"(not\s+)?([^\W\d]\w*)", when) if isinstance(when, str) else None
    if not match or match[2] == "not":
        raise SettingInvalid(
            f"when must be an artifact's name, or 'not' and its name, not {when!r}"
        )
    return match[2], match[1] is None
