"""Numbers as people read them: seconds, bytes, rows, times. Pure text, no colour."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


def seconds(value: float) -> str:
    """Return `0.41 s`, `12.3 s`, `3 min 05 s` or `2 h 07 min`."""
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def about(value: float) -> str:
    """Return a duration without precision it does not have: `0.4 s`, `38 s`, `3 min`."""
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 90 else f"{value / 3600:.1f} h"


def size(count: int) -> str:
    """Return bytes in decimal units: `812 B`, `3.1 kB`, `24.1 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.95 or unit == "TB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def counted(count: int, noun: str) -> str:
    """Return `1 row`, `336,776 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def elements(counts: Mapping[str, int]) -> str:
    """Return `12 elements: 11 hit, 1 ran`; just the number when they are all of one kind."""
    kinds = {kind: count for kind, count in counts.items() if count}
    total = counted(sum(kinds.values()), "element")
    if len(kinds) < 2:
        return total
    return f"{total}: {', '.join(f'{count:,} {kind}' for kind, count in kinds.items())}"


def ago(moment: str, now: dt.datetime | None = None) -> str:
    """Return how long ago an ISO 8601 moment was: `2 minutes ago`."""
    import datetime as dt  # it costs more than all that the quickest answers need

    then = dt.datetime.fromisoformat(moment)
    return _ago(((now or dt.datetime.now(dt.UTC)) - then).total_seconds())


def ago_seconds(moment: float) -> str:
    """Return how long ago a moment in seconds since the epoch was."""
    return _ago(time.time() - moment)


def _ago(passed: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if passed >= length:
            return f"{counted(int(passed // length), unit)} ago"
    return "just now"


def short(digest: str | None) -> str:
    """Return the first digits of a key or digest, enough for a person to compare."""
    return (digest or "")[:12]


def short_run(run_id: str) -> str:
    """Return the part of a run's id that people type: `7f3a` of `20261121-115700-7f3a`."""
    return run_id.rpartition("-")[2]
