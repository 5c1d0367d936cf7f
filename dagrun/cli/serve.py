"""`dagrun serve`: a gRPC server for models of the registry or for files."""

from __future__ import annotations

from pathlib import Path

from dagrun.cli.models import DIFFERENT, find_source, open_registry
from dagrun.cli.opening import NoStore, store_folder, use_project
from dagrun.server import serving
from dagrun.server.serving import ServerSettings
from dagrun.stages.bundle import GoldenMismatch
from dagrun.ui.terminal import tell, tell_error


def serve(
    *,
    names: tuple[str, ...],
    pipeline: str | None,
    host: str,
    port: int,
    threads: int,
    recheck: float,
    log: bool,
    log_folder: str | None,
) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises `DagrunError` when there is nothing to serve."""
    use_project(pipeline)
    sources = [find_source(name) for name in names]
    registry = open_registry(pipeline) if any(isinstance(name, str) for name in sources) else None
    settings = ServerSettings(
        host=host,
        port=port,
        threads=threads,
        recheck=recheck,
        prediction_log=_log_folder(pipeline, log_folder) if log else None,
    )
    try:
        serving.serve(sources, settings, registry=registry, report=tell)
    except GoldenMismatch as error:
        tell_error(str(error))
        return DIFFERENT
    return 0


def _log_folder(pipeline: str | None, given: str | None) -> Path | None:
    """Return where predictions are logged; None for a bundle's file where no project is."""
    if given is not None:
        return Path(given).resolve()
    try:
        return store_folder(pipeline) / "predictions"
    except NoStore:
        return None
