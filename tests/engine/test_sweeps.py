"""Sweeps: one call for every combination of values; and what `over=` may not say."""

from __future__ import annotations

import pytest
from tests_project import ProjectFolder, find, of_elements

from dagrun import stage
from dagrun.engine.stage import StageInvalid

SWEEP = """
    from dagrun import stage

    @stage(over={"depth": (4, 6), "rate": [0.1, 0.3]})
    def model(rows: int, depth: int, rate: float = 0.2) -> dict:
        return {"depth": depth, "rate": rate, "rows": rows}

    @stage
    def rows() -> int:
        return 7
"""


def test_a_sweep_is_every_combination(project: ProjectFolder) -> None:
    project.write("pipeline.py", SWEEP)
    result = project.run(targets=("model",))
    assert result.status == "done", [each.error for each in result.stages]
    output = find(result, "model").outputs["model"]
    pairs = [(each["depth"], each["rate"]) for each in project.open().store.load(output)]
    assert pairs == [(4, 0.1), (4, 0.3), (6, 0.1), (6, 0.3)]
    project.edit("pipeline.py", "(4, 6)", "(4, 6, 8)")
    wider = project.run()
    assert of_elements(wider, "model") == ["hit"] * 4 + ["ran"] * 2
    assert find(wider, "model").elements[4].label == "depth=8 rate=0.1"
    one = project.run(params={"model.depth": "9", "model.rate": "[0.1]"})
    assert [each.label for each in find(one, "model").elements] == ["depth=9 rate=0.1"]


def test_an_element_has_the_key_of_the_plain_stage(project: ProjectFolder) -> None:
    project.write("pipeline.py", SWEEP)
    element = find(project.run(), "model").elements[1]
    project.edit("pipeline.py", '@stage(over={"depth": (4, 6), "rate": [0.1, 0.3]})', "@stage")
    project.edit(
        "pipeline.py", "depth: int, rate: float = 0.2", "depth: int = 4, rate: float = 0.3"
    )
    plain = find(project.run(), "model")
    assert (plain.status, plain.key) == ("hit", element.key)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"over": "shop"}, "over='shop' is no parameter of it. Did you mean 'shops'"),
        ({"over": "least"}, r"names a param; .* over=\{'least'"),
        ({"over": {"deep": (1,)}}, "gives values for 'deep', which is no parameter"),
        ({"over": {"least": 3}}, "needs a list or tuple of values, not 3"),
        ({"over": {"least": "abc"}}, "needs a list or tuple of values"),
        ({"over": {"least": [object()]}}, "whose content dagrun cannot identify"),
        ({"over": {}}, "over must name an input"),
        ({"over": 3}, "over must name an input"),
        ({"over": "shops", "effect": True}, "neither can have over"),
        ({"over": "shops", "gate": True}, "neither can have over"),
    ],
)
def test_declarations_that_cannot_be_meant(settings: dict, message: str) -> None:
    def work(shops: str, least: int = 3) -> None: ...

    with pytest.raises(StageInvalid, match=message):
        stage(**settings)(work)
