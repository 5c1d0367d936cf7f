"""The contract's file: what it may say, and how it answers to what it may not."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from dagrun.engine.canonical import decode, encode, to_bytes
from dagrun.engine.sources import Files
from dagrun.stages.declaration import DeclarationInvalid
from dagrun.stages.validate import ColumnRules, Contract, SumRule

TEXT = """
[table]
min_rows = 2
max_rows = 1_000
unique = [["carrier", "day"]]
extra_columns = "deny"

[columns.carrier]
dtype = "string"
nullable = false
pattern = "^[A-Z0-9]{2}$"
allowed = ["UA", "AA"]

[columns.day]
dtype = "date"
min = 2013-01-01
max = 2013-12-31

[columns.taxi]
dtype = "integer"
required = false

[columns.distance]
dtype = "float"
max_null_share = 0.1

[[sums]]
total = "distance"
parts = ["taxi"]
tolerance = 1
"""


def test_every_key_is_read() -> None:
    assert Contract.parse(TEXT) == Contract(
        min_rows=2,
        max_rows=1000,
        unique=(("carrier", "day"),),
        extra_columns=False,
        columns=(
            ColumnRules(
                name="carrier",
                dtype="string",
                nullable=False,
                pattern="^[A-Z0-9]{2}$",
                allowed=("UA", "AA"),
            ),
            ColumnRules(
                name="day", dtype="date", min=dt.date(2013, 1, 1), max=dt.date(2013, 12, 31)
            ),
            ColumnRules(name="taxi", dtype="integer", required=False),
            ColumnRules(name="distance", dtype="float", max_null_share=0.1),
        ),
        sums=(SumRule(total="distance", parts=("taxi",), tolerance=1.0),),
    )


def test_a_contract_is_read_from_files_and_is_a_value_that_can_be_stored(tmp_path: Path) -> None:
    (tmp_path / "flights.toml").write_text(TEXT)
    contract = Contract.read(Files("*.toml").bind(tmp_path))
    assert contract == Contract.read(str(tmp_path / "flights.toml")) == Contract.parse(TEXT)
    assert decode(json.loads(to_bytes(encode(contract)))) == contract


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[colums.a]", "unknown key 'colums'. Did you mean 'columns'?"),
        ("[columns.a]\nnulable = false", "columns.a: unknown key 'nulable'. Did you mean 'nullabl"),
        ("[columns.a]\ndtype = 'sting'", "columns.a: unknown dtype 'sting'. Did you mean 'string'"),
        ("[columns.a]\nnullable = 0", "columns.a: nullable must be bool, not 0"),
        ("[columns.a]\nmax_null_share = 5", "max_null_share is 5; give 0 to 1"),
        ("[columns.a]\nmax_null_share = 0.5\nnullable = false", "leaves no max_null_share"),
        ("[columns.a]\nmin = 3", "columns.a: min = 3 needs a dtype"),
        ("[columns.a]\ndtype = 'date'\nmin = 3", "min = 3 needs a dtype"),
        ("[columns.a]\ndtype = 'date'\nmin = 2013-01-01T00:00:00", "a date for date"),
        ("[columns.a]\ndtype = 'integer'\nmin = 3\nmax = 2", "min 3 is greater than max 2"),
        ("[columns.a]\ndtype = 'integer'\nmin = nan", "min = nan needs a dtype"),
        ("[columns.a]\npattern = 'x'", 'pattern needs dtype = "string"'),
        ("[columns.a]\ndtype = 'string'\npattern = '('", "'(' is no regular expression"),
        ("[columns.a]\nallowed = [1, 'a']", "values of one type"),
        ("[columns.a]\nallowed = []", "values of one type"),
        ("[table]\nextra_columns = 'forbid'", "unknown choice for extra_columns 'forbid'"),
        ("[table]\nunique = ['a']\n[columns.a]", "must list columns, not 'a'"),
        ("[table]\nunique = [['b']]\n[columns.a]", "unknown column 'b'"),
        ("[[sums]]\ntotal = 'a'\n[columns.a]", "sums, number 1: needs total and parts"),
        ("[[sums]]\ntotal='a'\nparts=['ab']\n[columns.a]\n[columns.abc]", "unknown column 'ab'"),
        ("[table]\n[table]", "is not TOML"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(DeclarationInvalid) as caught:
        Contract.parse(text, "flights.toml")
    assert str(caught.value).startswith("flights.toml: ")
    assert problem in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationInvalid, match=r"none.toml: cannot be read: No such file"):
        Contract.read(tmp_path / "none.toml")
