"""Collecting run logs: of runs so old that nobody asks for them any more, with what stages said.

Kept are the logs of each pipeline's last runs, of pinned runs, of runs that are going on, and all
that are younger than the policy says. Guarantee: what the results of the last runs are is told by
logs that stay, so collecting logs never lets a later collection take more. The limit: `why`, the
bands of history and `runs list` know nothing of a run whose log is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from dagrun.engine.history.runids import STAGE_LOGS, owner
from dagrun.engine.store.durable import store_errors
from dagrun.engine.store.locks import is_held
from dagrun.engine.store.store import RUN_LOCK, Store
from dagrun.engine.store.survey import StoredFile, files_of
from dagrun.engine.upkeep.pins import pins


def old_logs(store: Store, kept: Collection[str], cutoff: int) -> Iterator[tuple[str, StoredFile]]:
    """Yield the log files, each with its run's id, of runs that wrote nothing since `cutoff`.

    `cutoff` is in nanoseconds since the epoch; runs in `kept` and pinned ones are left out. A run's
    own log comes first among its files.
    """
    files: dict[str, list[StoredFile]] = defaultdict(list)
    for file in sorted(files_of(store.runs), key=lambda file: len(file.path.parts)):
        files[owner(file.path)].append(file)
    kept = {*kept, *(pin.name for pin in pins(store))}
    for run_id, found in sorted(files.items()):
        is_old = max(file.used for file in found) < cutoff
        if is_old and run_id not in kept and not is_held(store.locks / (RUN_LOCK + run_id)):
            yield from ((run_id, file) for file in found)


def remove_logs(logs: Iterable[Path]) -> None:
    """Remove logs, and the folders of stages' logs that are empty then. Raises `StoreUnusable`."""
    for path in logs:
        with store_errors(path):
            path.unlink(missing_ok=True)
            folder = path.parent
            if folder.name.endswith(STAGE_LOGS) and not any(folder.iterdir()):
                folder.rmdir()
