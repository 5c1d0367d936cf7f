"""What an example on the page of all ops is, and the columns that several of them share.

Lists of columns are as `pl.DataFrame` takes them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Example:
    """One section of the page.

    Attributes:
        constructor: its name in `dagrun.stages.features`.
        ops: the ops it is made of, as documents name them.
        call: what one writes, over the columns of `rows`; `dt` is `datetime`.
        train: columns of the training rows.
        rows: columns of the rows that are transformed.
        table: tables of one's own that `call` names, by their names.
        gaps: what null, NaN and values unseen in training become.
    """

    constructor: str
    ops: tuple[str, ...]
    call: str
    train: Mapping[str, object]
    rows: Mapping[str, object]
    table: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    gaps: str = "Null stays null; NaN is null."


NAN, INF = float("nan"), float("inf")
NUMBERS = {"x": [1.0, 2.0, 3.0, 4.0, 10.0]}
GAPPY = {"x": [2.5, -1.0, 20.0, None, NAN]}
WORDS = {"s": ["a", "a", "a", "b", "c"]}
UNSEEN = {"s": ["a", "b", "d", "", None]}
LATE = {**WORDS, "late": [0.0, 1.0, 1.0, 0.0, 1.0]}
INSTANTS = [
    dt.datetime(2013, 3, 10, 6, 59, tzinfo=dt.UTC),
    dt.datetime(2013, 3, 10, 7, 0, tzinfo=dt.UTC),
    dt.datetime(1899, 12, 31, 23, 59, tzinfo=dt.UTC),
    None,
]
DAYS = [dt.date(2013, 3, 10), dt.date(2013, 7, 4), dt.date(2100, 1, 1), None]
