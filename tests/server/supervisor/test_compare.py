"""`dagrun traffic compare`: a split that was really served, and outcomes that came in later."""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
from tests_cli import DAGRUN
from tests_serve import Serving

from dagrun.server.client import Client
from dagrun.stages.bundle import Registry

ASKED = ("--outcomes", "landed.csv", "--label", "late", "--known-at", "known_at")


def test_arms_of_a_split_are_compared_by_what_came_of_it(
    serve: Callable[..., Serving],
    registry: Registry,
    make_rows: Callable[[int, int], pl.DataFrame],
    tmp_path: Path,
) -> None:
    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [DAGRUN, "traffic", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done

    Path(tmp_path, "landed.csv").write_text("key,late,known_at\n")
    never = run("compare", "flights", *ASKED, code=2)
    assert "flights never had arms to compare" in never.stderr
    serving = serve("flights")
    arms: dict[str, str | None] = {}
    with Client(serving.address, timeout=30) as client:
        rows = make_rows(400, 3).to_dicts()
        # Before the split there are no arms.
        client.predict("flights", rows[:50], keys=[f"0{number}" for number in range(50)])
        run("split", "flights", "--arm", "b=2:50", "--reason", "A or B")
        serving.wait_for(r"@1 with b @2 \(50 %\) on all workers")
        for number, row in enumerate(rows):
            (answer,) = client.predict("flights", [row], keys=[f"0{number}"])
            arms[f"0{number}"] = answer.arm
        run("stop", "flights", "split", "--reason", "enough")
    assert serving.end() == 0
    chance = random.Random(7)
    known = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    # Of every tenth nothing is known; keys look like numbers, and are none.
    lines = [f"{key},{chance.random() < 0.3},{known}" for n, key in enumerate(arms) if n % 10]
    Path(tmp_path, "landed.csv").write_text("\n".join(["key,late,known_at", *lines]) + "\n")
    found = json.loads(run("compare", "flights", *ASKED, "--json").stdout)
    assert [one["arm"] for one in found["arms"]] == ["champion", "b"]
    for one in found["arms"]:
        mine = [key for n, key in enumerate(arms) if arms[key] == one["arm"] and n % 10]
        assert one["rows"] == sum(arm == one["arm"] for arm in arms.values())
        assert (one["known"], one["keys"]) == (len(mine), len(mine))
        assert [each["name"] for each in one["figures"]] == ["outcome", "auc", "log_loss", "brier"]
    assert {each["verdict"] for each in found["arms"][0]["figures"]} == {""}
    shown = run("compare", "flights", *ASKED).stdout
    print(shown)
    assert " until " in shown.splitlines()[0]
    assert "to the champion" in shown
    later = run("compare", "flights", *ASKED, "--since", known, code=2)
    assert "there was no split at that time" in later.stderr
