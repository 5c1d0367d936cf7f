"""What an examination of a server finds: one fact each, good or bad, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact about a server.

    Attributes:
        check: what was looked at, in a word.
        state: `"good"`, `"bad"`, or `"note"` for what is worth knowing and breaks nothing.
        text: the fact.
        next: the command or the change that comes next; "" where nothing has to.
    """

    check: str
    state: State
    text: str
    next: str = ""
