"""`dagrun serve`: a gRPC server for models of the registry or for files.

Nothing heavy is imported: this process only looks after those that serve.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from dagrun.cli.entrance import entrance_settings
from dagrun.cli.naming import DIFFERENT, find_source
from dagrun.cli.opening import NoStore, open_store, project_folders, store_folder
from dagrun.engine.errors import StoreError
from dagrun.server import supervisor
from dagrun.server.observe import logs
from dagrun.server.observe.logs import Form
from dagrun.server.serving import ServerSettings
from dagrun.server.serving.settings import Lines
from dagrun.server.supervisor import FleetSettings, NotServed
from dagrun.ui.terminal import tell, tell_error

_ROWS = 100_000
"""Logged rows, the newest ones, that a version in staging is tried on."""


def serve(
    *,
    names: tuple[str, ...],
    pipeline: str | None,
    host: str,
    port: int,
    workers: int,
    threads: int,
    recheck: float,
    http_port: int | None,
    log_format: Form,
    log_calls: Lines,
    slow_ms: float,
    trace: bool,
    drain: float,
    log: bool,
    log_folder: str | None,
    log_keep: float | None,
    **entrance: Any,
) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises `DagrunError` when there is nothing to serve."""
    targets = [find_source(name) for name in names]
    store = open_store(pipeline) if any(isinstance(name, str) for name in targets) else None
    folder = _log_folder(pipeline, log_folder) if log else ""
    settings = FleetSettings(
        server=ServerSettings(
            host=host,
            port=port,
            threads=threads,
            recheck=recheck,
            log_calls=log_calls,
            slow_ms=slow_ms,
            trace=trace,
            drain_seconds=drain,
            prediction_log=folder,
            log_keep=log_keep or 0.0,
            **entrance_settings(**entrance),
        ),
        http_port=(port and port + 1) if http_port is None else http_port,
        log=log_format,
        workers=workers,
        replay=_replay(pipeline, folder) if folder and store else (),
        folders=tuple(project_folders(pipeline)),
    )
    report = tell if log_format == "text" else logging.getLogger("dagrun.server").info
    try:
        with logs.configured(log_format):
            supervisor.serve(targets, settings, store=store, report=report)
    except NotServed as error:
        if any(problem["kind"] == "GoldenMismatch" for problem in error.problems.values()):
            tell_error(str(error))
            return DIFFERENT
        if any(problem["store"] for problem in error.problems.values()):
            raise StoreError(str(error)) from error
        raise
    return 0


def _replay(pipeline: str | None, log: str) -> tuple[str, ...]:
    """Return the command line that replays the newest rows of a log, less the version."""
    project = ("-f", pipeline) if pipeline else ()
    return (sys.executable, "-m", "dagrun", "replay", "--keep", "--last", str(_ROWS), *project, log)


def _log_folder(pipeline: str | None, given: str | None) -> str:
    """Return where predictions are logged; "" for a bundle's file where no project is."""
    if given is not None:
        return str(Path(given).resolve())
    try:
        return str(store_folder(pipeline) / "predictions")
    except NoStore:
        return ""
