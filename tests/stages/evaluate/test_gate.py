"""The gate: its file, its verdicts and the numbers in their reasons."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dagrun.engine.sources import Files
from dagrun.stages.declaration import DeclarationInvalid
from dagrun.stages.evaluate import Gate, Gates, NoSuchFigure, evaluate, judge

REPORT = evaluate(
    pl.Series([1, 0, 1, 0]),
    pl.Series([0.8, 0.3, 0.6, 0.7]),
    threshold=0.5,
    train_base_rate=0.5,
    baselines={"hour": pl.Series([0.6, 0.4, 0.6, 0.4])},
)


def test_every_condition_is_told_with_its_numbers() -> None:
    verdict = judge(REPORT, Gates.parse("[auc]\nat_least = 0.7\nat_most = 1\n[brier]\nat_most = 0"))
    assert not verdict.passed
    assert verdict.reasons == (
        "ok: auc is 0.75, wanted at least 0.7",
        "ok: auc is 0.75, wanted at most 1",
        "NO: brier is 0.195, wanted at most 0",
    )


def test_a_model_must_be_ahead_of_every_baseline_unless_one_is_named() -> None:
    text = "[log_loss]\nbetter_than_baseline_by = 0.01"
    every = judge(REPORT, Gates.parse(text))
    assert not every.passed
    assert [reason[:3] for reason in every.reasons] == ["ok:", "NO:"]
    assert "baseline 'hour' has 0.510826: better by -0.0" in every.reasons[1]
    assert judge(REPORT, Gates.parse(text + '\nbaseline = "constant"')).passed


def test_higher_is_better_for_auc_only() -> None:
    assert judge(REPORT, Gates.parse("[auc]\nbetter_than_baseline_by=0.25\nbaseline='constant'"))
    verdict = judge(REPORT, Gates.parse("[auc]\nbetter_than_baseline_by=0"))
    assert not verdict.passed
    assert "better by -0.25" in verdict.reasons[1]


def test_gates_are_read_from_files_and_paths(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text("[auc]\nat_least = 0.7\n")
    expected = Gates(gates=(Gate(metric="auc", at_least=0.7),))
    assert Gates.read(path) == Gates.read(Files("gates.toml").bind(tmp_path)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no condition"),
        ("[auc]", "auc: has no condition"),
        ("[auc]\nat_lest = 1", "auc: unknown key 'at_lest'. Did you mean 'at_least'?"),
        ("[auc]\nat_least = '1'", "at_least must be float or int, not '1'"),
        ("[auc]\nat_least = true", "at_least must be float or int, not True"),
        ("auc = 0.7", "auc: must be a table, not 0.7"),
        ("[recall]\nbetter_than_baseline_by = 0", "baselines have only auc, log_loss, brier"),
        ("[auc]\nat_least = 1\nbaseline = 'constant'", "baseline means nothing"),
        ("[auc\n", "is not TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str, problem: str) -> None:
    with pytest.raises(DeclarationInvalid) as caught:
        Gates.parse(text, "gates.toml")
    assert str(caught.value).startswith("gates.toml: ")
    assert problem in str(caught.value)


def test_a_metric_or_baseline_that_does_not_exist_is_named_with_its_nearest() -> None:
    with pytest.raises(NoSuchFigure, match=r"metric 'acuracy'.* Did you mean 'accuracy'"):
        judge(REPORT, Gates.parse("[acuracy]\nat_least = 0"))
    with pytest.raises(NoSuchFigure, match=r"baseline 'hours'.* Did you mean 'hour'"):
        judge(REPORT, Gates.parse("[auc]\nbetter_than_baseline_by=0\nbaseline='hours'"))
