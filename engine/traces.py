"""Tracebacks as their readers want them: their own frames, none of ours.

What dagrun raises on purpose says by itself what is wrong, so only the user's line that led to it
stands above the message.
"""

from __future__ import annotations

import os
import traceback
from itertools import dropwhile, takewhile
from pathlib import Path

from dagrun.engine.errors import DagrunError

_HERE = Path(__file__).parent
OWN_FOLDERS = (f"{_HERE}{os.sep}", f"{_HERE.parent / 'stages'}{os.sep}")


def user_trace(error: BaseException) -> str:
    """Format a traceback without the frames of the engine and of the ready-made stages."""
    report = traceback.TracebackException.from_exception(error, capture_locals=False)
    calling = _users_frames(report) if isinstance(error, DagrunError) else []
    link: traceback.TracebackException | None = report
    while link is not None:
        link.stack = traceback.StackSummary.from_list(
            [frame for frame in link.stack if not _is_ours(frame)]
        )
        link = link.__cause__ or link.__context__
    if calling:
        return "".join([*calling[-1:], str(error)])
    return "".join(report.format())


def _users_frames(report: traceback.TracebackException) -> list[str]:
    """Return the user's frames that led to an error raised by us; none if the user raised it."""
    stack = report.stack
    if not (stack and _is_ours(stack[-1])):
        return []
    into = dropwhile(_is_ours, stack)
    users = list(takewhile(lambda frame: not _is_ours(frame), into))
    return traceback.StackSummary.from_list(users).format()


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(OWN_FOLDERS)
