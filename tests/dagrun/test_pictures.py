"""Pictures of a pipeline: nothing overlaps, no edge is lost, nothing else is needed."""

from __future__ import annotations

import itertools
import json
import os
import re
import xml.etree.ElementTree as ET

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from tests_cli import Call
from tests_project import ProjectFolder

from dagrun.ui.layers import Spot, lay_out, layers_of
from dagrun.ui.page import to_html
from dagrun.ui.svg import to_svg
from dagrun.ui.view import Node, View

SOAK = bool(os.environ.get("DAGRUN_SOAK"))

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    count = draw(st.integers(0, 14))
    names = [f"s{number}" for number in range(count)]
    return {
        name: sorted(draw(st.sets(st.sampled_from(names[:place]), max_size=4))) if place else []
        for place, name in enumerate(names)
    }


def view(upstream: dict[str, list[str]]) -> View:
    nodes = {
        name: Node(
            name=name,
            shape=("stage", "gate", "effect")[place % 3],
            action=("run", "unknown", "hit", "")[place % 4],
            about="1,000 rows, 0.10 s",
            facts=("Counts <rows> & more.",),
        )
        for place, name in enumerate(upstream)
    }
    return View(
        title="a <b> & c",
        nodes=nodes,
        upstream={name: tuple(befores) for name, befores in upstream.items()},
    )


def ends(spot: Spot) -> list[str]:
    """Return the stages that a line leads to."""
    if not spot.is_line:
        return [spot.owner]
    return [name for after in spot.below for name in ends(after)]


@settings(max_examples=2_000 if SOAK else 150)
@given(dags(), st.data())
def test_layers_keep_every_edge_and_let_nothing_overlap(
    upstream: dict[str, list[str]], data: st.DataObject
) -> None:
    sizes = {name: data.draw(st.integers(20, 200)) for name in upstream}
    drawn = lay_out(list(upstream), upstream, sizes, 10.0)
    found: dict[str, list[str]] = {name: [] for name in upstream}
    for number, layer in enumerate(drawn.layers):
        for spot in layer:
            assert spot.layer == number
            assert all(after.layer == number + 1 for after in spot.below)
            assert spot.across - spot.size / 2 >= -1e-6
            assert spot.across + spot.size / 2 <= drawn.extent + 1e-6
            if not spot.is_line:
                for name in (end for after in spot.below for end in ends(after)):
                    found[name].append(spot.owner)
        for left, right in itertools.pairwise(layer):
            between = right.across - right.size / 2 - left.across - left.size / 2
            assert between >= 4.99
    assert {name: sorted(befores) for name, befores in found.items()} == upstream
    again = lay_out(list(upstream), upstream, sizes, 10.0)
    assert [[s.across for s in layer] for layer in again.layers] == [
        [s.across for s in layer] for layer in drawn.layers
    ]


@given(dags())
def test_a_layer_is_the_longest_way_and_starts_stand_near(upstream: dict[str, list[str]]) -> None:
    layers = layers_of(list(upstream), upstream)
    for name, befores in upstream.items():
        assert all(layers[before] < layers[name] for before in befores)
        if any(upstream[before] for before in befores):
            assert layers[name] == 1 + max(layers[before] for before in befores if upstream[before])


@settings(max_examples=50)
@given(dags())
def test_a_picture_holds_every_stage_and_edge(upstream: dict[str, list[str]]) -> None:
    text = to_svg(view(upstream))
    root = ET.fromstring(text)
    names = list(upstream)
    nodes = [group for group in root.iter(f"{SVG}g") if "data-n" in group.attrib]
    told = {names[int(each.attrib["data-n"])]: each.find(f"{SVG}title").text for each in nodes}
    assert set(told) == set(names)
    assert all(text.startswith(f"{name}\nCounts <rows>") for name, text in told.items())
    edges = set()
    for group in root.iter(f"{SVG}g"):
        if "data-from" in group.attrib and group.find(f"{SVG}polygon") is not None:
            edges.add((names[int(group.attrib["data-from"])], names[int(group.attrib["data-to"])]))
    assert edges == {(before, name) for name, befores in upstream.items() for before in befores}
    assert text == to_svg(view(upstream))


@pytest.mark.parametrize("write", [to_svg, to_html])
def test_a_picture_needs_nothing_from_elsewhere(write: type[str]) -> None:
    text = write(view({"a": [], "b": ["a"]}))
    assert set(re.findall(r"https?://[^\s\"')]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(src|href|@import|url)\s*[=(]", text)
    assert "a &lt;b&gt; &amp; c" in text


def test_a_sign_says_what_a_colour_says() -> None:
    text = to_svg(view({name: [] for name in "abcd"}))
    for words in ("would run", "not known yet", "would hit", "gate", "effect"):
        assert f">{words}</text>" in text
    signs = re.findall(r'class="sign" transform[^>]* d="([^"]+)"', text)
    assert len(set(signs)) == 3


def test_a_page_knows_who_is_above_and_below() -> None:
    text = to_html(view({"a": [], "b": ["a"], "c": ["a", "b"]}))
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert data == {
        "names": ["a", "b", "c"],
        "above": [[], [0], [0, 1]],
        "below": [[1, 2], [2], []],
    }


def test_files_tell_the_plan(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    numbers.edit("pipeline.py", "2 * x", "3 * x")
    for name in ("graph.svg", "graph.html"):
        answer = call("graph", "-o", name)
        assert (answer.code, answer.err) == (0, f"wrote {name}\n")
        text = (numbers.root / name).read_text("utf-8")
        assert "6 stages: 1 would run, 3 not known yet, 2 would hit" in text
        assert "would run: code: doubled changed" in text
        assert "<title>split to model: low</title>" in text
    call("graph", "-t", "verdict", "--steps", "1", "-o", "near.svg")
    near = (numbers.root / "near.svg").read_text("utf-8")
    assert ">3 of 6 stages: " in near
    assert ">+2 above</text>" in near
