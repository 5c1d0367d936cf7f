"""What is shown of an error: the user's own frames, and no traceback of what is told on purpose."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dagrun.engine.errors import DagrunError
from dagrun.engine.sources import Files
from dagrun.engine.traces import user_trace
from dagrun.stages.validate import Contract, validate


def shown(fault: object) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any error at all
        fault()
    return user_trace(caught.value)


def test_what_dagrun_raises_is_shown_with_the_users_line_alone() -> None:
    contract = Contract.parse("[table]\nmin_rows = 2")
    text = shown(lambda: validate(pl.DataFrame({"a": [1]}), contract, table="t"))
    assert "Traceback" not in text
    assert text.splitlines()[0].endswith("in <lambda>")
    assert text.count('  File "') == 1
    assert "\ntable 't' breaks 1 rule of its contract:\n  min_rows: expected at least" in text


def test_a_file_that_fails_while_it_is_open_names_no_library(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(b"\x1f\x8b no gzip")
    text = shown(lambda: Files("*.gz").bind(tmp_path).read_csv())
    assert "Traceback" not in text
    assert "contextlib" not in text
    assert "a.csv.gz is not a whole compressed file" in text


def test_what_the_user_raises_keeps_its_traceback() -> None:
    def refuse() -> None:
        raise DagrunError("not today")

    for fault in (refuse, lambda: 1 / 0):
        assert shown(fault).startswith("Traceback (most recent call last):\n")
