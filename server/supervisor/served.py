"""What was served when: a log of starts, switches and ends, kept in the store's refs.

Guarantee: every switch of a server is noted once all its workers have made it, with the version
and its bundle's digest, in a ref of the model (`served/<model>`), whose history is never rewritten
and knows who and when. Several servers may share a store. Where it ends: a server that was killed
notes no end, and its last note stands until it starts again; files are not in the registry, so
they are not noted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dagrun.engine.errors import DefinitionError, StoreError
from dagrun.engine.store.refs import Ref, Refs
from dagrun.server.supervisor.routes import Routes
from dagrun.stages.catalog import checked_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One note: from then on, this server answered this name with this version.

    Attributes:
        at: when, ISO 8601 in UTC.
        server: host and port.
        name: what requests asked for, as `flights` or `flights@challenger`.
        version: the version's number; None when the server ended or no longer served the name.
        bundle: the bundle's digest, "" at the end.
        by: user name.
    """

    at: str
    server: str
    name: str
    version: int | None
    bundle: str
    by: str


class MomentUnknown(DefinitionError):
    """A text is no moment."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text!r} is no moment: say 14:05 (the last one), 2026-11-21 14:05, "
            "or 2026-11-21T14:05:30+01:00; without a zone it is this machine's"
        )


class ServedLog:
    """Notes what one server serves."""

    def __init__(self, refs: Refs, server: str, report: Callable[[str], None]) -> None:
        """Note into these refs; what cannot be written is reported and changes nothing else."""
        self._refs, self._server, self._report = refs, server, report

    def note(self, before: Routes, now: Routes) -> None:
        """Note what differs from what this server served before."""
        for name in [*now, *(name for name in before if name not in now)]:
            if before.get(name) == now.get(name):
                continue
            route = now.get(name)
            version = (route or before[name])["model"].get("version")
            if version is not None:
                self._write(version["name"], name, version if route else None)

    def _write(self, model: str, name: str, version: dict[str, object] | None) -> None:
        value = {
            "server": self._server,
            "name": name,
            "version": version["version"] if version else None,
            "bundle": version["bundle"] if version else "",
        }
        try:
            self._refs.update(_ref(model), value, reason="served" if version else "ended")
        except StoreError as error:
            self._report(f"what is served when cannot be noted: {error}")


def read_served(refs: Refs, model: str) -> tuple[Served, ...]:
    """Return all notes about a model, oldest first; none if no server ever served it."""
    return tuple(map(_served, refs.history(_ref(model))))


def served_at(notes: Iterable[Served], moment: dt.datetime) -> list[Served]:
    """Return the notes that held at a moment (with a zone), one for each server and name."""
    held: dict[tuple[str, str], Served] = {}
    for note in notes:
        if dt.datetime.fromisoformat(note.at) <= moment:
            held[note.server, note.name] = note
    return [held[each] for each in sorted(held) if held[each].version is not None]


def parse_moment(text: str, now: dt.datetime) -> dt.datetime:
    """Return the moment that a person means; a time alone is the last such one before `now`.

    Without a zone it is in that of `now`. Raises `MomentUnknown`.
    """
    try:
        clock = dt.time.fromisoformat(text) if len(text) <= len("14:05:30") else None
        moment = dt.datetime.combine(now, clock) if clock else dt.datetime.fromisoformat(text)
    except ValueError:
        raise MomentUnknown(text) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    return moment - dt.timedelta(days=1) if clock and moment > now else moment


def _ref(model: str) -> str:
    return f"served/{checked_model(model)}"


def _served(ref: Ref) -> Served:
    return Served(at=ref.at, by=ref.by, **ref.value)
