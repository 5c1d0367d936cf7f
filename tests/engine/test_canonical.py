from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagrun.engine.canonical import decode, digest, encode, to_bytes
from dagrun.engine.errors import Unhashable


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...] = ()


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.sampled_from(Colour)
)
hashable = st.recursive(scalars, lambda inner: st.tuples(inner, inner), max_leaves=4)
values = st.recursive(
    scalars | st.frozensets(hashable, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.builds(Point, x=st.floats(), tags=st.tuples(st.text()))
    ),
    max_leaves=12,
)


@given(values)
def test_decode_inverts_encode(value: object) -> None:
    form = encode(value)
    assert to_bytes(encode(decode(form))) == to_bytes(form)
    assert type(decode(form)) is type(value)


@given(values, values)
def test_different_values_have_different_bytes(one: object, other: object) -> None:
    if to_bytes(encode(one)) == to_bytes(encode(other)):
        assert repr(one) == repr(other) or one == other


def test_look_alikes_differ() -> None:
    alikes = [0, 0.0, -0.0, False, "0", None, [], (), {}, set(), frozenset(), "", b""]
    assert len({to_bytes(encode(value)) for value in alikes}) == len(alikes)
    assert encode(math.nan) == encode(-math.nan)
    assert to_bytes(encode({"b": 1, "a": 2})) == to_bytes(encode({"a": 2, "b": 1}))
    assert to_bytes(encode({1: "a", "1": "b"})) != to_bytes(encode({"1": "a"}))
    assert encode(pathlib.Path("a/b")) == {"$path": "a/b"}
    assert encode(decimal.Decimal("1.0")) != encode(decimal.Decimal("1.00"))


def test_a_dict_that_looks_like_a_tag_is_kept_apart() -> None:
    assert decode(encode({"$float": "0x1p0"})) == {"$float": "0x1p0"}


def test_an_opaque_value_is_refused_with_its_place() -> None:
    with pytest.raises(Unhashable, match=r"settings\['a'\]\[1\] is a builtins.object"):
        encode({"a": [1, object()]}, "settings")


def test_the_digest_is_the_same_in_another_process() -> None:
    value = {"s": {"x", "y", "z"}, "t": (1.5, None), "d": dt.date(2013, 1, 1)}
    code = (
        "import datetime as dt; from dagrun.engine.canonical import digest, encode;"
        f"print(digest('test', encode({value!r})))".replace("datetime.", "dt.")
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert seen == {digest("test", encode(value))}
    assert digest("test", 1) != digest("other", 1)


IMPORT_AT_ONCE = """
import threading
from dagrun.engine.codec import find_codec

ready, problems = threading.Barrier(4), []

def find():
    ready.wait()
    try:
        find_codec("dagrun.engine.tables:TABLE")
    except Exception as error:
        problems.append(str(error))

threads = [threading.Thread(target=find) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not problems, problems
"""


def test_threads_that_import_the_same_name_at_once_all_get_it() -> None:
    subprocess.run([sys.executable, "-P", "-c", IMPORT_AT_ONCE], check=True)


def test_an_object_is_found_while_another_thread_imports_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slowly_imported.py").write_text("import time\ntime.sleep(0.3)\nVALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(find_object("slowly_imported:VALUE")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert found == [7, 7, 7]
