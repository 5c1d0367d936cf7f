"""A small project, and the command line called in it."""

from __future__ import annotations

import pytest
from tests_cli import Answer, Call
from tests_project import ProjectFolder

from dagrun.cli.main import main


@pytest.fixture
def call(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Carry out a command line inside the project."""
    monkeypatch.chdir(project.root)

    def called(*arguments: str) -> Answer:
        code = main(arguments)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return called


@pytest.fixture
def numbers(project: ProjectFolder) -> ProjectFolder:
    """Six stages over numbers, with named outputs, a gate and an effect."""
    project.write(
        "pipeline.py",
        """
        from dagrun import Verdict, stage

        def doubled(x):
            return 2 * x

        @stage
        def raw(n: int = 5):
            print("raw is printing")
            return list(range(n))

        @stage(outputs=("low", "high"))
        def split(raw, at: int = 3):
            return raw[:at], raw[at:]

        @stage
        def model(low, depth: int = 6):
            return {"depth": doubled(depth), "rows": len(low)}

        @stage
        def report(model, high):
            return {"auc": 0.7 if high else 0.5}

        @stage(gate=True)
        def verdict(report, least: float = 0.6) -> Verdict:
            auc = report["auc"]
            return Verdict(passed=auc >= least, reasons=(f"auc {auc}, at least {least}",))

        @stage(effect=True)
        def publish(model, verdict):
            pass
        """,
    )
    return project
