"""Forty planted faults of data are told, none by a traceback; no good day raises an alarm.

Write the page anew with: PYTHONPATH=tests/support .venv/bin/python -P tests/support/tests_faults.py
"""

from __future__ import annotations

from pathlib import Path

import pytest
from faults_list import FAULTS, Fault, write
from tests_faults import day, make_project, plant, row, run
from tests_project import ProjectFolder

PAGE = Path(__file__).parents[3] / "docs" / "planted-faults.md"
DAYS = 20


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    return make_project(tmp_path_factory.mktemp("flights"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_told(project: ProjectFolder, fault: Fault) -> None:
    said = plant(project, fault)
    assert said.alarms
    assert not said.traceback
    assert row(fault, said) in PAGE.read_text("utf-8"), "write the page anew, as it says above"


def test_the_page_lists_these_forty() -> None:
    page = PAGE.read_text("utf-8")
    assert len(FAULTS) == len({fault.name for fault in FAULTS}) == 40
    assert "**40 of 40**" in page
    assert page.count("\n| ") == 41


def test_no_good_day_raises_an_alarm(project: ProjectFolder) -> None:
    today = project.root / "today"
    today.mkdir(exist_ok=True)
    for old in today.iterdir():
        old.unlink()
    for seed in range(200, 200 + DAYS):
        for kind in ("csv", "parquet"):
            write(day(seed), today, kind)
        said = run(project, "csv" if seed % 2 else "parquet")
        assert (said.outcome, said.found) == ("went on", ("ok: flights: 1,000 rows",))
