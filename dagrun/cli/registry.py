"""`dagrun registry`: what models there are, where aliases point, and moving them."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict

from dagrun.cli.documents import show_document
from dagrun.cli.models import open_registry
from dagrun.cli.opening import open_store
from dagrun.engine.errors import DefinitionError
from dagrun.engine.verdicts import Said
from dagrun.server.supervisor.served import Served, parse_moment, read_served, served_at
from dagrun.stages.bundle import DEFAULT_ALIAS, Registry
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import ago, counted, short, short_run
from dagrun.ui.terminal import show


def list_models(*, pipeline: str | None, as_json: bool) -> int:
    """List every model of the registry."""
    registry = open_registry(pipeline)
    newest = {name: registry.versions(name)[-1] for name in registry.models()}
    aliases = {name: registry.aliases(name) for name in newest}
    if as_json:
        models = [
            {
                "name": name,
                "newest": asdict(version),
                "aliases": aliases[name],
                "champion": _champion(registry, name),
            }
            for name, version in newest.items()
        ]
        show_document({"models": models})
    elif not newest:
        show("no model is registered; an effect of a pipeline does that: register(name, bundle)")
    else:
        _show_rows(
            [
                [
                    name,
                    f"newest @{version.version}",
                    ago(version.at),
                    ", ".join(f"{alias} -> @{to}" for alias, to in aliases[name].items()),
                    _champion(registry, name),
                ]
                for name, version in newest.items()
            ]
        )
    return 0


def show_model(*, name: str, pipeline: str | None, as_json: bool) -> int:
    """List the versions of a model. Raises `NotRegistered`."""
    registry = open_registry(pipeline)
    versions = registry.versions(name)[::-1]
    aliases = registry.aliases(name)
    if as_json:
        states = [asdict(v) | {"verdict": _brief(registry.verdict(v))} for v in versions]
        show_document({"aliases": aliases, "versions": states})
        return 0
    _show_rows(
        [
            [
                str(version),
                f"bundle {short(version.bundle)}",
                f"run {short_run(version.run_id)}" if version.run_id else "",
                f"{ago(version.at)} by {version.by}",
                ", ".join(alias for alias, to in aliases.items() if to == version.version),
                version.reason,
                _said(registry.verdict(version)),
            ]
            for version in versions
        ]
    )
    return 0


def _said(said: Said | None) -> str:
    """Tell in a few words what gates said of a version; "" for one that none has judged."""
    if said is None:
        return ""
    if said.passed:
        return f"passed {counted(len(said.reasons), 'gate')}"
    return f"REFUSED by {len(said.refused)} of {counted(len(said.reasons), 'gate')}"


def _brief(said: Said | None) -> dict[str, object] | None:
    if said is None:
        return None
    return {"passed": said.passed, "reasons": list(said.reasons), "at": said.at, "in": said.said_in}


def _champion(registry: Registry, name: str) -> str:
    """Tell of a champion that its gates refused, and why it is one all the same."""
    if DEFAULT_ALIAS not in registry.aliases(name):
        return ""
    said = registry.verdict(registry.alias(name))
    override = registry.history(name)[-1].override
    if said is None or said.passed:
        return ""
    return f"champion REFUSED by its gates, {f'overridden: {override}' if override else 'since'}"


def verdict(*, name: str, pipeline: str | None, as_json: bool) -> int:
    """Show what gates said of a version, with every number. Raises `NotRegistered`."""
    registry = open_registry(pipeline)
    version = registry.resolve(name)
    said = registry.verdict(version)
    if as_json:
        shown = asdict(said.verdict) if said else None
        show_document({"version": asdict(version), "verdict": shown, "kept": _brief(said)})
        return 0
    if said is None:
        show(f"{version}: no gate has judged it")
        return 0
    show(f"{version}: {_said(said)}, {ago(said.at)} ({said.said_in})")
    for reason in said.reasons:
        show(f"  {reason}")
    return 0


def promote(*, version: str, alias: str, reason: str, override: str, pipeline: str | None) -> int:
    """Point an alias to a version. Raises `NotRegistered`, `NameInvalid` or `VersionRefused`."""
    if "@" not in version:
        raise DefinitionError(f"say which version of {version!r}: {version}@VERSION")
    registry = open_registry(pipeline)
    wanted = registry.resolve(version)
    before = _pointed_to(registry, wanted.name, alias)
    registry.set_alias(wanted.name, alias, wanted.version, reason=reason, override=override)
    _show_move(wanted.name, alias, before, wanted.version)
    return 0


def rollback(*, name: str, alias: str, reason: str, override: str, pipeline: str | None) -> int:
    """Point an alias back. Raises `NotRegistered`, `NothingToRollBack` or `VersionRefused`."""
    registry = open_registry(pipeline)
    before = _pointed_to(registry, name, alias)
    move = registry.rollback(name, alias, reason=reason, override=override)
    _show_move(name, alias, before, move.version)
    return 0


def _pointed_to(registry: Registry, name: str, alias: str) -> int | None:
    return registry.aliases(name).get(alias)


def _show_move(name: str, alias: str, before: int | None, now: int) -> None:
    was = f" (was @{before})" if before not in (None, now) else ""
    already = " already" if before == now else ""
    show(f"{name}@{alias}{already} -> {name}@{now}{was}")


def history(*, name: str, alias: str, pipeline: str | None, as_json: bool) -> int:
    """List the moves of an alias. Raises `NotRegistered`."""
    moves = open_registry(pipeline).history(name, alias)[::-1]
    if as_json:
        show_document({"moves": [asdict(move) for move in moves]})
        return 0
    _show_rows(
        [
            [
                f"-> @{move.version}",
                "rollback" if move.rollback else "",
                f"{ago(move.at)} by {move.by}",
                move.reason,
                f"although refused: {move.override}" if move.override else "",
            ]
            for move in moves
        ]
    )
    return 0


def served(*, name: str, at: str | None, pipeline: str | None, as_json: bool) -> int:
    """List what servers served of a model, or what they did at a moment.

    Raises `MomentUnknown` or `NameInvalid`.
    """
    notes = read_served(open_store(pipeline).refs, name)
    now = dt.datetime.now().astimezone()
    found = notes[::-1] if at is None else served_at(notes, parse_moment(at, now))
    if as_json:
        show_document({"served": [asdict(note) for note in found]})
    elif not notes:
        show(f"no server has served {name} from this store yet")
    elif not found:
        show(f"nothing of {name} was served then")
    _show_rows([] if as_json else [_served_row(note, now.tzinfo) for note in found])
    return 0


def _served_row(note: Served, zone: dt.tzinfo | None) -> list[str]:
    since = dt.datetime.fromisoformat(note.at).astimezone(zone)
    return [
        note.name,
        "ended" if note.version is None else f"@{note.version}",
        f"bundle {short(note.bundle)}" if note.bundle else "",
        f"since {since:%Y-%m-%d %H:%M:%S}",
        f"on {note.server}",
    ]


def _show_rows(rows: list[list[str]]) -> None:
    for line in aligned(rows):
        show(line)
