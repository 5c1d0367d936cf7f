"""Keys of plain stages never change by accident: stores that exist go on hitting."""

from __future__ import annotations

from dagrun import Context, stage
from dagrun.engine.code.closure import CodeVersion
from dagrun.engine.keys import make_key, make_preimage, make_recipe

CODE = CodeVersion(
    symbols={"pipeline:model": "ab" * 32},
    texts={},
    paths={},
    distributions={"polars": "2.1.0"},
    warnings=(),
    files=(),
)


@stage(outputs=("spec", "matrix"), order_by="day", version="2")
def model(ctx: Context, train: list, depth: int = 6, rate: float = 0.1) -> tuple[int, int]:
    return len(train), depth


def test_the_preimage_and_the_key_of_a_plain_stage() -> None:
    recipe = make_recipe(model, model.params, CODE, seed=7)
    preimage = make_preimage(recipe, {"train": "cd" * 32}) | {"python": "3.11"}
    assert preimage == {
        "schema": 1,
        "python": "3.11",
        "code": {"pipeline:model": "ab" * 32},
        "distributions": {"polars": "2.1.0"},
        "params": {"depth": 6, "rate": {"$float": "0x1.999999999999ap-4"}},
        "settings": {
            "function": "model",
            "outputs": ["spec", "matrix"],
            "order_by": ["day"],
            "gate": False,
            "version": "2",
        },
        "seed": 7,
        "inputs": {"train": "cd" * 32},
    }
    assert make_key(preimage) == "aadf5b2ef52568d8ea18380ac4a6baa9f15e79632e3cbd0c0b014abe0595c7c4"
