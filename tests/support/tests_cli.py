"""The command line as tests use it: in this process, or as the installed program."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
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
    text = re.sub(r"\bin \d+(\.\d)? (s|min)\b", "in 0.0 s", text)
    text = re.sub(r"\b\d+ minutes? ago\b", "just now", text)
    text = re.sub(r"\brun [0-9a-f]{4}\b", "run 7f3a", text)
    return re.sub(r"\b(show|logs) [0-9a-f]{4}\b", r"\1 7f3a", text)


def in_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """Run in a terminal of its own and return all that was written to it."""
    return said_in_terminal(folder, "run", *arguments, **environment)


def said_in_terminal(folder: Path, *words: str, **environment: str) -> str:
    """Carry out any command in a terminal of its own; return all that was written to it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [DAGRUN, *words],
        cwd=folder,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return text.decode()
