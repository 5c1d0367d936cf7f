"""Time zone rules as plain numbers: the instants at which a zone's offset from UTC changes.

Guarantee: the rules come from the installed `tzdata` package, never from the host, and cover
1900 to 2100; two changes within twelve hours of each other would be seen as one (none is known
after 1900). A fitted spec carries its rules, so that serving does not depend on a later tzdata.
"""

from __future__ import annotations

import datetime as dt
import importlib.resources
from collections.abc import Callable
from functools import lru_cache
from zoneinfo import ZoneInfo

from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import FIRST_DAY, LAST_DAY

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY = 86_400


def check_zone(name: str, feature: str) -> str:
    """Return `name` if it is a known zone. Raises `FeatureDefinitionError`."""
    known = importlib.resources.files("tzdata").joinpath("zones").read_text().split()
    if name not in known:
        near = [zone for zone in known if zone.split("/")[-1] == name.split("/")[-1]]
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise FeatureDefinitionError(
            feature, f"no time zone {name!r} in tzdata.{hint} Use IANA names such as Europe/Berlin"
        )
    return name


@lru_cache(maxsize=64)
def transitions(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the zone's changes, ascending, and the offsets before, between and after them.

    Both are in seconds: changes since 1970 in UTC, offsets as local time minus UTC.
    """
    path = importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with path.open("rb") as file:
        zone = ZoneInfo.from_file(file, key=name)

    def offset(second: int) -> int:
        moment = (_EPOCH + dt.timedelta(seconds=second)).astimezone(zone)
        shift = moment.utcoffset()
        assert shift is not None
        return shift.days * _DAY + shift.seconds

    changes: list[int] = []
    start = FIRST_DAY * _DAY
    offsets = [offset(start)]
    for second in range(start + _DAY // 2, LAST_DAY * _DAY + 1, _DAY // 2):
        found = offset(second)
        if found != offsets[-1]:
            changes.append(_change(offset, second - _DAY // 2, second))
            offsets.append(found)
    return tuple(changes), tuple(offsets)


def _change(offset: Callable[[int], int], low: int, high: int) -> int:
    """Return the first second with the offset of `high`, between `low` and `high`."""
    after = offset(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if offset(middle) == after else (middle, high)
    return high
