"""The last line of a run, and the parts of it that do not depend on how long it took."""

from __future__ import annotations

from dagrun.ui.quantities import about, short_run
from dagrun.ui.terminal import paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dagrun.ui.terminal import Role


def closing(status: str, seconds: float, parts: str, run_id: str) -> str:
    """Return `done in 0.9 s: 2 ran, 9 hit (saved about 38 s)   run 7f3a`."""
    role: Role = "good" if status == "done" else "warn" if status == "halted" else "bad"
    head = f"{paint(status, role)} in {about(seconds)}: {parts}"
    return f"{head}   {paint(f'run {short_run(run_id)}', 'dim')}"
