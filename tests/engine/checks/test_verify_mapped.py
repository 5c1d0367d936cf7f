"""Verifying a mapped stage executes its elements, each against its own entry."""

from __future__ import annotations

from tests_project import ProjectFolder


def test_the_element_that_is_not_deterministic_is_named(project: ProjectFolder) -> None:
    project.write("data/a.txt", "a")
    project.write("data/b.txt", "b")
    project.write(
        "pipeline.py",
        """
        import pathlib
        from dagrun import Files, stage

        @stage
        def names() -> list:
            return ["x", "y", "z"]

        @stage(over="names")
        def each(names: str) -> dict:
            mark = pathlib.Path(__file__).with_name("mark")
            if names == "y":
                mark.touch(exist_ok=True)
                mark.write_text(mark.read_text() + "y")
                return {"count": len(mark.read_text())}
            return {"count": 0}

        @stage(over="files")
        def read(files: Files = Files("data/*.txt")) -> str:
            return files.read_text()

        @stage
        def total(each: list, read: list) -> int:
            return len(each) + len(read)
        """,
    )
    assert project.run().status == "done", [stage.error for stage in project.run().stages]
    for executor in ("threads", "processes"):
        result = project.run(verify=1.0, executor=executor)
        checks = {check.name: check for check in result.checks or ()}
        assert {name for name, check in checks.items() if not check.passed} == {"each[1]"}
        assert {"names", "each[0]", "each[2]", "read[0]", "read[1]", "total"} < set(checks)
        assert checks["each[1]"].differences[0].column == "count"
