"""Tracebacks as their readers want them: their own frames, none of ours."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

_HERE = Path(__file__).parent
OWN_FOLDERS = (f"{_HERE}{os.sep}", f"{_HERE.parent / 'stages'}{os.sep}")


def user_trace(error: BaseException) -> str:
    """Format a traceback without the frames of the engine and of the ready-made stages."""
    report = traceback.TracebackException.from_exception(error, capture_locals=False)
    link: traceback.TracebackException | None = report
    while link is not None:
        frames = [frame for frame in link.stack if not frame.filename.startswith(OWN_FOLDERS)]
        link.stack = traceback.StackSummary.from_list(frames)
        link = link.__cause__ or link.__context__
    return "".join(report.format())
