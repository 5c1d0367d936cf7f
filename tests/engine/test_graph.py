from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagrun import stage
from dagrun.engine.graph import Cycle, Graph, NameTaken, UnknownInput, UnknownStage
from dagrun.engine.stage import Stage


def make(name: str, *inputs: str, **settings: object) -> Stage:
    scope: dict = {}
    exec(f"def {name}({', '.join(inputs)}): ...", scope)
    return stage(**settings)(scope[name])


def graph_of(*stages: Stage) -> Graph:
    return Graph({item.name: item for item in stages}, "pipeline.py")


def test_an_unknown_input_names_the_stage_and_the_nearest_artifact() -> None:
    with pytest.raises(UnknownInput) as caught:
        graph_of(make("flights"), make("joined", "flihgts"))
    assert "stage 'joined'" in str(caught.value)
    assert "Did you mean 'flights'?" in str(caught.value)


def test_a_cycle_shows_its_path() -> None:
    with pytest.raises(Cycle) as caught:
        graph_of(make("z"), make("a", "c", "z"), make("b", "a"), make("c", "b"))
    assert sorted(caught.value.path[:-1]) == ["a", "b", "c"]
    assert caught.value.path[0] == caught.value.path[-1]
    assert " -> ".join(caught.value.path) in str(caught.value)


def test_stages_and_outputs_share_one_namespace() -> None:
    with pytest.raises(NameTaken, match="'train' is both"):
        graph_of(make("split", outputs=("train", "test")), make("train"))
    with pytest.raises(NameTaken, match="an artifact"):
        graph_of(make("depth"), make("model", "depth=3"))


def test_a_stage_with_named_outputs_and_an_effect_are_no_artifacts() -> None:
    split = make("split", outputs=("train", "test"))
    with pytest.raises(UnknownInput, match=r"take one of those \(train, test\)"):
        graph_of(split, make("model", "split"))
    with pytest.raises(UnknownInput, match="effects make no artifact"):
        graph_of(make("publish", effect=True), make("after", "publish"))


def test_select_takes_targets_and_their_ancestors_in_order() -> None:
    graph = graph_of(
        make("raw"),
        make("split", "raw", outputs=("train", "test")),
        make("model", "train"),
        make("other", "raw"),
        make("report", "model", "test"),
    )
    assert graph.select(["model"]) == ("raw", "split", "model")
    assert graph.select(["test"]) == ("raw", "split")
    assert graph.select([]) == graph.order
    with pytest.raises(UnknownStage, match="Did you mean 'model'"):
        graph.select(["modle"])


@given(st.data())
def test_every_random_dag_is_ordered_and_critical_paths_shrink(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 25))
    stages = []
    for number in range(count):
        before = data.draw(st.lists(st.integers(0, number - 1), unique=True)) if number else []
        stages.append(make(f"s{number}", *(f"s{index}" for index in before)))
    shuffled = data.draw(st.permutations(stages))
    graph = graph_of(*shuffled)
    position = {name: index for index, name in enumerate(graph.order)}
    for item in stages:
        assert all(position[name] < position[item.name] for name in item.inputs)
        assert all(graph.depth[name] > graph.depth[item.name] for name in item.inputs)
