"""Field numbers: given once, kept for ever, agreed upon by all processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.engine.errors import UnknownVersion
from dagrun.engine.store.store import Store
from dagrun.stages.bundle.field_numbers import Field, give_fields, read_fields
from dagrun.stages.features import Column


def column(name: str, kind: str = "double") -> Column:
    aware = kind == "instant"
    dtype = "timestamp" if aware else kind
    return Column(name=name, dtype=dtype, aware=aware)  # type: ignore[arg-type]


def numbers(fields: tuple[Field, ...]) -> dict[tuple[str, str], int]:
    return {(field.column, field.kind): field.number for field in fields}


def test_a_column_keeps_its_number_and_another_type_is_another_field(tmp_path: Path) -> None:
    refs = Store.open(tmp_path).refs
    assert read_fields(refs, "flights") == ()
    give_fields(refs, "flights", [column("a"), column("b")])
    give_fields(refs, "flights", [column("b")])  # a has left
    give_fields(refs, "flights", [column("a", "string"), column("c")])
    found = give_fields(refs, "flights", [column("a"), column("a", "instant")])
    assert numbers(found) == {
        ("a", "double"): 1,
        ("b", "double"): 2,
        ("a", "string"): 3,
        ("c", "double"): 4,
        ("a", "instant"): 5,
    }
    assert [field.name for field in found] == ["a", "b", "a_string", "c", "a_instant"]
    assert read_fields(refs, "flights") == found
    assert numbers(give_fields(refs, "other", [column("c")])) == {("c", "double"): 1}
    assert len(refs.history("models/flights/fields")) == 3


def test_names_are_identifiers_that_differ_in_camel_case_too(tmp_path: Path) -> None:
    names = ["wind speed", "wind_speed", "windSpeed", "2nd", "Ü", "ß", "_x", "x", "HasField"]
    found = give_fields(Store.open(tmp_path).refs, "m", [column(name) for name in names])
    folded = [field.name.replace("_", "").lower() for field in found]
    assert len(set(folded)) == len(names)
    assert [field.name for field in found][:5] == [
        "wind_speed",
        "wind_speed_double",
        "windSpeed_3",
        "column_2nd",
        "column",
    ]
    assert found[-1].name == "HasField_double"
    assert all(field.name.isidentifier() and field.name.isascii() for field in found)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=6), unique=True, max_size=30))
def test_any_names_get_fields_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    refs = Store.open(tmp_path_factory.mktemp("store")).refs
    found = give_fields(refs, "m", [column(name) for name in names])
    assert [field.number for field in found] == list(range(1, len(names) + 1))
    assert len({field.name.replace("_", "").lower() for field in found}) == len(names)


def test_numbers_that_protobuf_keeps_are_left_out(tmp_path: Path) -> None:
    refs = Store.open(tmp_path).refs
    found = give_fields(refs, "m", [column(f"c{n}") for n in range(19_010)])
    taken = {field.number for field in found}
    assert max(taken) == 20_010
    assert not taken & set(range(19_000, 20_000))


def test_many_at_once_agree(tmp_path: Path) -> None:
    store = Store.open(tmp_path)

    def work(number: int) -> None:
        give_fields(store.refs, "m", [column(f"own{number}"), column("shared")])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_fields(store.refs, "m")
    assert sorted(field.number for field in found) == list(range(1, 10))
    assert {field.column for field in found} == {"shared", *(f"own{n}" for n in range(8))}


def test_another_format_is_not_guessed(tmp_path: Path) -> None:
    refs = Store.open(tmp_path).refs
    refs.update("models/m/fields", {"format": 99, "fields": []}, reason="from the future")
    with pytest.raises(UnknownVersion):
        read_fields(refs, "m")
