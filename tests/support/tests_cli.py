"""The command line as tests use it: in this process, or as the installed program."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DAGRUN = str(Path(sys.executable).with_name("dagrun"))


@dataclass(frozen=True)
class Answer:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Answer]


def steady(text: str) -> str:
    """Replace what differs between runs, keeping every column in its place."""
    text = re.sub(r"\b\d+\.\d{2} s\b", "0.00 s", text)
    text = re.sub(r" \((saved )?about [^)]*\)", "", text)
    text = re.sub(r"\bin \d+(\.\d)? s\b", "in 0.0 s", text)
    text = re.sub(r"\b\d+ minutes? ago\b", "just now", text)
    text = re.sub(r"\brun [0-9a-f]{4}\b", "run 7f3a", text)
    return re.sub(r"\b(show|logs) [0-9a-f]{4}\b", r"\1 7f3a", text)
