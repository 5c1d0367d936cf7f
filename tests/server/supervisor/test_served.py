"""What was served when."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_cli import DAGRUN
from tests_serve import Serving

from dagrun.engine.store.store import Store
from dagrun.server.supervisor.served import (
    MomentUnknown,
    Served,
    ServedLog,
    parse_moment,
    read_served,
    served_at,
)
from dagrun.stages.bundle import Registry

NOW = dt.datetime(2026, 11, 21, 15, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def routes(**versions: int) -> dict[str, dict[str, object]]:
    return {
        name: {"model": {"version": {"name": name, "version": number, "bundle": f"b{number}"}}}
        for name, number in versions.items()
    }


def note(at: str, server: str, version: int | None) -> Served:
    return Served(
        at=f"2026-11-21T{at}:00.000+00:00",
        server=server,
        name="flights",
        version=version,
        bundle="",
        by="anna",
    )


def test_only_differences_are_noted(tmp_path: Path) -> None:
    refs = Store.open(tmp_path).refs
    log = ServedLog(refs, "host:1", pytest.fail)
    first, second = routes(flights=1, houses=4), routes(flights=2, houses=4)
    file = {"a.bundle": {"model": {"file": "a.bundle", "stamp": [1, 2, 3]}}}
    log.note({}, {**first, **file})
    log.note({**first, **file}, {**second, **file})
    log.note({**second, **file}, {})
    assert [(n.version, n.bundle, n.server) for n in read_served(refs, "flights")] == [
        (1, "b1", "host:1"),
        (2, "b2", "host:1"),
        (None, "", "host:1"),
    ]
    assert [n.version for n in read_served(refs, "houses")] == [4, None]
    assert refs.names("served/") == ("served/flights", "served/houses")
    assert read_served(refs, "nothing") == ()


def test_each_server_counts_at_a_moment() -> None:
    notes = [
        note("13:00", "a:1", 1),
        note("13:10", "b:1", 2),
        note("13:20", "a:1", 3),
        note("13:30", "b:1", None),
    ]

    def at(text: str) -> dict[str, int | None]:
        found = served_at(notes, parse_moment(text, NOW))
        return {each.server: each.version for each in found}

    assert at("2026-11-21T12:59:00+00:00") == {}
    assert at("14:05") == {"a:1": 1}
    assert at("14:10") == {"a:1": 1, "b:1": 2}
    assert at("14:25:30") == {"a:1": 3, "b:1": 2}
    assert at("2026-11-21 14:30") == {"a:1": 3}


def test_a_time_alone_is_the_last_one() -> None:
    assert parse_moment("15:00", NOW) == NOW
    assert parse_moment("15:01", NOW) == NOW + dt.timedelta(minutes=1, days=-1)
    assert parse_moment("2026-11-21T15:00+00:00", NOW) == NOW + dt.timedelta(hours=1)
    for text in ("noon", "25:00", "", "2026-13-01 10:00"):
        with pytest.raises(MomentUnknown, match="is no moment: say 14:05"):
            parse_moment(text, NOW)


def test_a_server_notes_its_start_its_switches_and_its_end(
    serve: Callable[..., Serving], registry: Registry, tmp_path: Path
) -> None:
    def asked(*arguments: str) -> str:
        command = [DAGRUN, "registry", "served", "flights", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert asked() == "no server has served flights from this store yet\n"
    serving = serve("flights", "flights@3")
    registry.set_alias("flights", "champion", 2, reason="better")
    serving.wait_for(r"flights: @1 -> @2 on all workers")
    before = dt.datetime.now(dt.UTC).isoformat()
    serving.end()
    notes = json.loads(asked("--json"))["served"]
    assert [(each["name"], each["version"]) for each in notes[::-1]] == [
        ("flights", 1),
        ("flights@3", 3),
        ("flights", 2),
        ("flights", None),
        ("flights@3", None),
    ]
    held = json.loads(asked("--at", before, "--json"))["served"]
    bundles = {each["name"]: each["bundle"] for each in held}
    assert bundles == {
        "flights": registry.version("flights", 2).bundle,
        "flights@3": registry.version("flights", 3).bundle,
    }
    assert asked("--at", before).splitlines()[0].split()[:2] == ["flights", "@2"]
    assert asked("--at", "1999-01-01") == "nothing of flights was served then\n"
