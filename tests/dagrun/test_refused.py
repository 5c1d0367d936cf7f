"""A model that its gates refused: known by every command, the champion by none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_bundles import flights
from tests_cli import Answer, Call
from tests_project import ProjectFolder

from dagrun.cli.main import main
from dagrun.engine.stage import Verdict
from dagrun.engine.store.store import Store
from dagrun.server.traffic.orders import Arm, Canary, OrderBook, Split
from dagrun.stages.bundle import Registry, VerdictOfAnother, VersionRefused, register

PIPELINE = """
import polars as pl
from dagrun import Context, Files, Verdict, stage
from dagrun.stages import (Booster, Bundle, Champion, FeatureSpec, Gates, Report, fit_xgboost,
                           judge, make_bundle, register, score)
from dagrun.stages.evaluate import evaluate
from tests_bundles import FEATURES, flights

@stage(outputs=("train", "valid", "test"))
def rows(n: int = 400):
    return flights(n), flights(100, seed=1), flights(300, seed=2)

@stage(outputs=("spec", "matrix"))
def features(train: pl.DataFrame):
    return FEATURES.fit_transform(train, label="late")

@stage
def model(ctx: Context, spec: FeatureSpec, matrix: pl.DataFrame, valid: pl.DataFrame,
          depth: int = 3) -> Booster:
    return fit_xgboost(matrix, spec.transform(valid), seed=ctx.seed, max_depth=depth, rounds=5)

@stage
def bundle(ctx: Context, spec: FeatureSpec, model: Booster, train: pl.DataFrame) -> Bundle:
    return make_bundle(ctx, name="late", spec=spec, booster=model, sample=train)

@stage
def report(bundle: Bundle, test: pl.DataFrame) -> Report:
    return evaluate(test["late"], score(bundle, test)["probability"], threshold=0.5,
                    train_base_rate=0.3)

@stage(gate=True)
def verdict(report: Report, bundle: Bundle, test: pl.DataFrame,
            gates: Files = Files("gates.toml"), champion: Champion = Champion("late")) -> Verdict:
    return judge(report, Gates.read(gates), bundle=bundle, rows=test, label="late",
                 champion=champion)

@stage(effect=True)
def record(bundle: Bundle) -> None:
    register("late", bundle, reason="made")

@stage(effect=True)
def publish(bundle: Bundle, verdict: Verdict) -> None:
    register("late", bundle, alias="champion", reason="passed", verdict=verdict)
"""
GATES = """
[auc]
at_least = {auc}
[champion.brier]
worse_by_at_most = 1.0
[latency]
at_most = "1 s"
[bootstrap]
resamples = 100
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """A project whose registry has late@1, its champion, and late@2, which its gates refused."""
    folder = ProjectFolder(tmp_path_factory.mktemp("refused"))
    folder.write(
        "pyproject.toml",
        "[tool.dagrun]\npipeline = 'pipeline.py'\n"
        f"[tool.dagrun.hooks]\nhalted = '{sys.executable} alert.py'\n",
    )
    folder.write("alert.py", "import sys; open('halted.json', 'w').write(sys.stdin.read())\n")
    folder.write("pipeline.py", PIPELINE)
    folder.write("gates.toml", GATES.format(auc=0.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.root)
        assert main(["run", "--executor", "inline"]) == 0
        folder.write("gates.toml", GATES.format(auc=1.0))
        assert main(["run", "--executor", "inline", "-p", "model.depth=1"]) == 3
    return folder


@pytest.fixture
def call(
    models: ProjectFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Carry out a command line inside the project with models."""
    monkeypatch.chdir(models.root)
    capfd.readouterr()

    def called(*arguments: str) -> Answer:
        code = main(arguments)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return called


def test_a_rerun_judges_nothing_again(call: Call, models: ProjectFolder) -> None:
    models.write("gates.toml", GATES.format(auc=0.0))
    again = call("run", "--json")
    models.write("gates.toml", GATES.format(auc=1.0))
    assert again.code == 0
    assert {stage["status"] for stage in again.document["stages"]} == {"hit"}


def registry() -> Registry:
    return Registry(Store.open(Path.cwd()))


def test_a_refusal_halts_alerts_and_is_known_of_the_version(call: Call) -> None:
    told = json.loads(Path("halted.json").read_text())
    assert told["occasion"] == "halted"
    assert "wanted at least 1" in told["text"]
    shown = call("registry", "show", "late").out.splitlines()
    assert shown[0].startswith("late@2")
    assert shown[0].endswith("REFUSED by 1 of 3 gates")
    assert shown[1].endswith("passed 3 gates")
    said = call("registry", "verdict", "late@2").out
    assert "NO: auc is " in said
    assert "that of champion late@1 is" in said
    found = call("registry", "verdict", "late@2", "--json").document["verdict"]
    auc = found["outcomes"][0]
    assert (auc["gate"], auc["wanted"], auc["passed"]) == ("auc", 1.0, False)
    assert auc["low"] <= auc["found"] <= auc["high"]
    assert found["champion"] == registry().version("late", 1).bundle
    assert call("registry", "verdict", "late@1", "--json").document["verdict"]["passed"]


@pytest.mark.parametrize(
    "command",
    [
        ("registry", "promote", "late@2", "champion", "--reason", "x"),
        ("traffic", "canary", "late@2", "--reason", "x"),
        ("traffic", "split", "late", "--arm", "b=2:20", "--reason", "x"),
        ("import", "late-2.bundle", "--alias", "champion", "--reason", "x"),
        ("import", "late-2.bundle", "--name", "early", "--alias", "champion", "--reason", "x"),
    ],
)
def test_no_command_makes_it_answer_for_the_champion(call: Call, command: tuple[str, ...]) -> None:
    assert call("export", "late@2").code == 0
    answer = call(*command)
    assert answer.code == 3
    assert "the gates refused" in answer.err
    assert "NO: auc is" in answer.err
    assert "--override 'REASON'" in answer.err
    assert registry().alias("late").version == 1
    assert call("registry", "list").out.count("REFUSED") == 0


def test_nor_does_a_refresh_of_it(call: Call) -> None:
    flights(600, seed=8).write_parquet("new.parquet")
    command = ("bundle", "refresh", "late@2", "--rows", "new.parquet", "--reason", "x")
    limits = ("--mean-change", "1", "--flipped", "1", "--lost", "1")
    answer = call(*command, *limits, "--alias", "champion")
    assert answer.code == 3
    assert "NO: auc is" in answer.err
    assert registry().alias("late").version == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda registry, bundle: registry.set_alias("late", "champion", 2, reason="x"),
        lambda registry, bundle: registry.move_alias("late", "champion", 2, reason="x"),
        lambda registry, bundle: registry.register("late", bundle, alias="champion"),
        lambda registry, bundle: register("hidden", bundle, alias="champion", store=registry.store),
        lambda registry, _: OrderBook(registry.store).start(
            "late", Canary(version=2, champion=1), reason="x"
        ),
        lambda registry, _: OrderBook(registry.store).start(
            "late",
            Split(arms=(Arm(name="a", version=1, share=0.1), Arm(name="b", version=2, share=0.1))),
            reason="x",
        ),
    ],
)
def test_no_function_does_either(call: Call, act: Callable[..., object]) -> None:
    bundle = registry().load(registry().version("late", 2))
    with pytest.raises(VersionRefused, match="auc is"):
        act(registry(), bundle)
    assert registry().alias("late").version == 1


def test_it_may_be_any_other_alias_and_a_shadow(call: Call) -> None:
    assert call("registry", "promote", "late@2", "challenger", "--reason", "look").code == 0
    assert call("traffic", "shadow", "late@2", "--reason", "look").code == 0
    assert call("traffic", "stop", "late", "shadow", "--reason", "seen").code == 0


def test_a_verdict_is_of_the_bundle_that_was_judged(call: Call) -> None:
    first, second = (registry().load(registry().version("late", n)) for n in (1, 2))
    verdict = Verdict(passed=True, subject=first.digest)
    with pytest.raises(VerdictOfAnother):
        registry().register("late", second, verdict=verdict)


def test_an_override_is_recorded_and_shown(call: Call) -> None:
    why = ("--reason", "urgent", "--override", "the old one is worse still")
    answer = call("registry", "promote", "late@2", "champion", *why)
    assert (answer.code, answer.out) == (0, "late@champion -> late@2 (was @1)\n")
    (newest, *_) = call("registry", "history", "late", "champion").out.splitlines()
    assert newest.endswith("urgent  although refused: the old one is worse still")
    assert "champion REFUSED by its gates, overridden: the old one" in call("registry", "list").out
    (move, *_) = call("registry", "history", "late", "champion", "--json").document["moves"]
    assert (move["override"], bool(move["by"]), bool(move["at"])) == (why[3], True, True)
    # Going back needs none; going back to it, now that its refusal stands, does.
    assert call("registry", "rollback", "late", "champion", "--reason", "x").code == 0
    assert call("registry", "promote", "late@2", "champion", *why).code == 0
    assert call("registry", "promote", "late@1", "champion", "--reason", "x").code == 0
    assert call("registry", "rollback", "late", "champion", "--reason", "x").code == 3
    back = call("registry", "rollback", "late", "champion", *why)
    assert (back.code, registry().alias("late").version) == (0, 2)
    assert call("registry", "promote", "late@1", "champion", "--reason", "x").code == 0
    assert call("traffic", "canary", "late@2", *why).code == 0
    assert call("traffic", "stop", "late", "canary", "--reason", "x").code == 0


def test_a_file_takes_its_verdict_to_another_project(call: Call, tmp_path: Path) -> None:
    assert call("export", "late@2", "-o", str(tmp_path / "late.bundle")).code == 0
    (tmp_path / "pyproject.toml").write_text("[tool.dagrun]\n")
    (tmp_path / "pipeline.py").write_text("")
    Store.open(tmp_path)
    command = ("import", str(tmp_path / "late.bundle"), "-f", str(tmp_path), "--reason", "moved")
    assert call(*command, "--alias", "champion").code == 3
    assert call(*command).code == 0
    shown = call("registry", "verdict", "late@1", "-f", str(tmp_path)).out
    assert "REFUSED by 1 of 3 gates" in shown
    assert "imported: gate 'verdict', run" in shown


def test_another_gate_file_judges_anew(call: Call, models: ProjectFolder) -> None:
    models.write("gates.toml", GATES.format(auc=0.0))
    assert call("run", "-p", "model.depth=1").code == 0
    assert registry().alias("late").version == 2
    assert call("registry", "list").out.count("REFUSED") == 0
    assert "champion -> @2" in call("registry", "list").out
