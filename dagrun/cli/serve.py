"""`dagrun serve`: a gRPC server for models of the registry or for files.

Nothing heavy is imported: this process only looks after those that serve.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagrun.cli.entrance import entrance_settings
from dagrun.cli.naming import DIFFERENT, find_source
from dagrun.cli.opening import NoStore, open_store, project_folders, store_folder
from dagrun.engine.errors import StoreError
from dagrun.server import supervisor
from dagrun.server.serving import ServerSettings
from dagrun.server.supervisor import FleetSettings, NotServed
from dagrun.ui.terminal import tell, tell_error


def serve(
    *,
    names: tuple[str, ...],
    pipeline: str | None,
    host: str,
    port: int,
    workers: int,
    threads: int,
    recheck: float,
    log: bool,
    log_folder: str | None,
    **entrance: Any,
) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises `DagrunError` when there is nothing to serve."""
    targets = [find_source(name) for name in names]
    store = open_store(pipeline) if any(isinstance(name, str) for name in targets) else None
    settings = FleetSettings(
        server=ServerSettings(
            host=host,
            port=port,
            threads=threads,
            recheck=recheck,
            prediction_log=_log_folder(pipeline, log_folder) if log else "",
            **entrance_settings(**entrance),
        ),
        workers=workers,
        folders=tuple(project_folders(pipeline)),
    )
    try:
        supervisor.serve(targets, settings, store=store, report=tell)
    except NotServed as error:
        if any(problem["kind"] == "GoldenMismatch" for problem in error.problems.values()):
            tell_error(str(error))
            return DIFFERENT
        if any(problem["store"] for problem in error.problems.values()):
            raise StoreError(str(error)) from error
        raise
    return 0


def _log_folder(pipeline: str | None, given: str | None) -> str:
    """Return where predictions are logged; "" for a bundle's file where no project is."""
    if given is not None:
        return str(Path(given).resolve())
    try:
        return str(store_folder(pipeline) / "predictions")
    except NoStore:
        return ""
