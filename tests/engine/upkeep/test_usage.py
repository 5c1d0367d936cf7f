"""Disk usage: every byte counted, and once."""

from __future__ import annotations

from tests_project import ProjectFolder

from dagrun.engine.store.store import Store
from dagrun.engine.upkeep.usage import usage


def test_every_byte_is_told_by_what_it_is_for(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def made() -> str:
            return "x" * 20_000

        @stage
        def counted(made: str) -> int:
            return len(made)
        """,
    )
    project.run()
    found = usage(Store.open(project.root))
    assert [share.name for share in found.stages] == ["made", "counted"]
    files = [path for path in (project.root / ".dagrun").rglob("*") if path.is_file()]
    assert found.size == sum(path.stat().st_size for path in files)
