"""`dagrun predict`: score a file of rows, here or by a server, with the very same bits.

Guarantee: the output is there whole or not at all, its rows in the order of the input, all scored
by one bundle; when a server fails in the middle, what it had scored is kept as a file of its own,
and told with the command that scores the rest.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dagrun.cli.models import DIFFERENT, find_source, open_registry
from dagrun.cli.opening import use_project
from dagrun.cli.scored import RowsFile, ScoredFile, check_names, check_output
from dagrun.cli.scorers import BundleChanged, Offline, Online, Scorer, Tally
from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.server.client import CallFailed, Client, ClientSettings, Tls
from dagrun.stages.bundle import Bundle, GoldenMismatch, check, read_bundle
from dagrun.ui.quantities import about, counted
from dagrun.ui.scoring import ScoringBar
from dagrun.ui.terminal import tell, tell_error, tell_warning

TIMEOUT = 60.0
"""Seconds that one table may take, a restart of the server included."""
_MOST_BUNDLES = 3
_SWAPPED_WITHIN = 1.0
"""Seconds within which all processes of a server take a new bundle."""


class NothingLeft(DefinitionError):
    """`--from-row` is behind the last row."""

    def __init__(self, path: Path, start: int) -> None:
        self.path, self.start = path, start
        super().__init__(f"{path} has no row behind the first {start:,}: nothing is left to score")


class Stopped(DagrunError):
    """A server failed after it had scored some of the rows, which are kept."""

    def __init__(self, problem: CallFailed, kept: Path, rows: int, total: int, rest: str) -> None:
        self.problem, self.kept, self.rows, self.total = problem, kept, rows, total
        super().__init__(
            f"{problem}\n{rows:,} of {counted(total, 'row')} had been scored and are in {kept}. "
            f"Score the rest with: {rest}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line asks for."""

    name: str
    source: RowsFile
    start: int
    output: Path
    again: str
    """The command line that scores from a row on, less that row and the output."""

    def rest(self, rows: int) -> str:
        """Return the command line for the rows that are left after so many."""
        start = self.start + rows
        output = self.output.with_stem(f"{self.output.stem}.rows-{start}-on")
        return f"{self.again} --from-row {start} -o {shlex.quote(str(output))}"


def predict(
    *,
    name: str,
    rows: str,
    output: str,
    target: str | None,
    from_row: int,
    nulls: tuple[str, ...],
    pipeline: str | None,
    **connection: str | bool | None,
) -> int:
    """Score a file and write another. Raises `DagrunError` for what was given wrongly."""
    started, written = time.perf_counter(), Path(output)
    check_output(written)
    source = RowsFile(Path(rows), nulls, from_row)
    if from_row and not source.rows:
        raise NothingLeft(source.path, from_row)
    again = ["dagrun", "predict", name, rows, "--target", target or ""]
    again += [word for null in nulls for word in ("--null", null)]
    again += [word for option, value in connection.items() for word in _given(option, value)]
    asked = _Asked(
        name=name, source=source, start=from_row, output=written, again=shlex.join(again)
    )
    try:
        if target is None:
            _refuse(connection)
            called, bundle = open_bundle(name, pipeline)
            check(bundle).require()
            tally = _score(asked, Offline(bundle))
        else:
            called = _served_name(name)
            with Client(target, _settings(connection)) as client:
                tally = _score_online(asked, client)
    except GoldenMismatch as error:
        tell_error(str(error))
        return DIFFERENT
    except (CallFailed, BundleChanged, Stopped) as error:
        tell_error(str(error))
        return 1
    took = about(time.perf_counter() - started)
    where = f" by {target}" if target else ""
    scored = counted(source.rows, "row")
    tell(f"{scored} scored with {called}{where} in {took}{tally} -> {written}")
    return 0


def _score_online(asked: _Asked, client: Client) -> Tally:
    """Let a server score; anew when its model was swapped meanwhile."""
    for left in reversed(range(_MOST_BUNDLES)):
        try:
            return _score(asked, Online(client, client.model(asked.name)))
        except BundleChanged as change:
            if not left:
                raise
            tell_warning(f"{change.model} was swapped meanwhile; scoring all rows again")
            time.sleep(_SWAPPED_WITHIN)
    raise AssertionError("the last time raises or returns")


def _score(asked: _Asked, scorer: Scorer) -> Tally:
    check_names(asked.source.names, scorer.predictions)
    file, tally = ScoredFile(asked.output), Tally()
    try:
        with ScoringBar(asked.source.rows) as bar:
            for frame in scorer.scored(asked.source.batches(scorer.columns)):
                file.append(frame)
                tally.add(frame)
                bar.advance(frame.height)
        file.finish()
    except CallFailed as error:
        if not file.rows:
            raise
        rows = f"rows-{asked.start}-{asked.start + file.rows}"
        kept = asked.output.with_stem(f"{asked.output.stem}.{rows}")
        file.finish(kept)
        rest = asked.rest(file.rows)
        raise Stopped(error, kept, file.rows, asked.source.rows, rest) from error
    finally:
        file.discard()
    return tally


def _given(option: str, value: str | bool | None) -> list[str]:
    word = f"--{option.replace('_', '-')}"
    return [word] if value is True else [word, value] if value else []


def _refuse(connection: Mapping[str, str | bool | None]) -> None:
    if given := [words[0] for item in connection.items() if (words := _given(*item))]:
        raise DefinitionError(f"{', '.join(given)}: of use only with --target HOST:PORT")


def _settings(connection: Mapping[str, str | bool | None]) -> ClientSettings:
    roots, certificate, key, token = (
        Path(str(connection[name])) if connection[name] else None
        for name in ("tls_roots", "tls_cert", "tls_key", "token_file")
    )
    encrypted = connection["tls"] or roots or certificate or key
    return ClientSettings(
        timeout=TIMEOUT,
        tls=Tls(roots=roots, certificate=certificate, key=key) if encrypted else None,
        token_file=token,
    )


def open_bundle(name: str, pipeline: str | None) -> tuple[str, Bundle]:
    """Return what a bundle is called and the bundle."""
    use_project(pipeline)
    source = find_source(name)
    if isinstance(source, Path):
        return str(source), read_bundle(source)
    registry = open_registry(pipeline)
    version = registry.resolve(source)
    return str(version), registry.load(version)


def _served_name(name: str) -> str:
    if isinstance(find_source(name), Path):
        raise DefinitionError(
            f"with --target the server decides which bundle answers: give the name under which "
            f"it serves the model, not the file {name!r}"
        )
    return name
