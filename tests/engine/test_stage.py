from __future__ import annotations

import pytest

from dagrun import Context, Files, Verdict, stage
from dagrun.engine.errors import DefinitionError
from dagrun.engine.stage import StageInvalid


def test_a_stage_is_still_the_function_it_was() -> None:
    @stage
    def double(number: int, times: int = 2) -> int:
        """Twice."""
        return number * times

    assert double(4) == 8
    assert double(4, times=3) == 12
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice."


def test_parameters_without_default_are_inputs_and_the_rest_params() -> None:
    @stage(outputs=("a", "b"), retries=2, timeout="30m")
    def both(ctx: Context, left: int, right: int, scale: float = 2.0, raw: Files = Files("x")):
        return left, right

    assert both.inputs == ("left", "right")
    assert dict(both.params) == {"scale": 2.0, "raw": Files("x")}
    assert both.takes_context
    assert both.outputs == ("a", "b")
    assert both.timeout == 1800.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": "ab"}, "outputs must be names"),
        ({"outputs": ("a", "a")}, "each given once"),
        ({"retries": -1}, "retries must be"),
        ({"timeout": "soon"}, "is not a duration"),
        ({"timeout": 0}, "must be positive"),
        ({"cache": False}, "needs a reason"),
        ({"reason": "because"}, "means nothing"),
        ({"gate": True, "outputs": ("a",)}, "a gate returns one Verdict"),
        ({"effect": True, "gate": True}, "an effect stores nothing"),
    ],
)
def test_settings_that_contradict_are_refused(settings: dict, message: str) -> None:
    def work() -> None: ...

    with pytest.raises(StageInvalid, match=message) as caught:
        stage(**settings)(work)
    assert "test_stage.py" in str(caught.value)


def test_star_arguments_lambdas_and_opaque_defaults_are_refused() -> None:
    with pytest.raises(DefinitionError, match="has no name"):

        @stage
        def many(*parts: int) -> None: ...

    with pytest.raises(DefinitionError, match="only named functions"):
        stage(lambda: 1)
    with pytest.raises(DefinitionError, match="default of 'lock'"):

        @stage
        def locked(lock: object = object()) -> None: ...


def test_verdicts_are_values() -> None:
    assert Verdict(passed=True, reasons=("auc 0.7",)) == Verdict(passed=True, reasons=("auc 0.7",))
