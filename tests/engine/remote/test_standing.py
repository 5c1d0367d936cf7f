"""Within its time to live a source needs no full plan: a receipt answers, and then no longer."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests_cli import DAGRUN
from tests_project import ProjectFolder
from tests_receipts import both, inside
from tests_web import Asked, Said, Site, site


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as found:
        yield found


def write(project: ProjectFolder, web: Site, age: str) -> None:
    web.say("/n", Said(b"1"))
    project.write(
        "pipeline.py",
        f"""
        from dagrun import Http, stage

        @stage
        def number(page: Http = Http("{web.address}/n"{age})) -> int:
            return int(page.read_text())
        """,
    )


def test_a_source_that_stands_leaves_a_receipt_until_it_does_not(
    project: ProjectFolder, web: Site
) -> None:
    write(project, web, ", max_age='1h'")
    with inside(project.root):
        both("run")
        both("run")
        assert both("run").answered
        assert len(web.asked) == 1
        (record,) = (project.root / ".dagrun/snapshots").iterdir()
        form = json.loads(record.read_bytes())
        assert form["taken"] <= time.time()
        record.unlink()  # what another process may do: the receipt says nothing then
        assert both("run").quick is None
        assert len(web.asked) > 1


def test_a_source_that_has_to_be_asked_leaves_none(project: ProjectFolder, web: Site) -> None:
    write(project, web, "")
    with inside(project.root):
        both("run")
        both("run")
        assert both("run").quick is None


def test_of_two_processes_one_reads(project: ProjectFolder, web: Site) -> None:
    write(project, web, ", max_age='1h'")

    def slowly(_asked: Asked) -> Said:
        time.sleep(1)
        return Said(b"1")

    web.pages["/n"] = slowly
    runs = [
        subprocess.Popen([DAGRUN, "run"], cwd=project.root, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for run in runs:
        _, said = run.communicate()
        assert run.returncode == 0, said
    assert len(web.asked) == 1


def test_what_takes_long_is_told(
    project: ProjectFolder, web: Site, caplog: pytest.LogCaptureFixture
) -> None:
    write(project, web, "")
    project.run()
    assert "reading" not in caplog.text

    def slowly(_asked: Asked) -> Said:
        time.sleep(2.5)
        return Said(b"2")

    web.pages["/n"] = slowly
    project.run()
    assert "reading param number.page" in caplog.text


def test_a_receipt_ends_with_the_time_to_live(project: ProjectFolder, web: Site) -> None:
    write(project, web, ", max_age='3s'")
    with inside(project.root):
        both("run")
        time.sleep(3)
        assert both("run").quick is None
