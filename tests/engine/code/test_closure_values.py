"""What counts as a constant, by which content, and what is refused with which advice."""

import collections
import contextvars
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import itertools
import logging
import operator
import pathlib
import random
import re
import sqlite3
import struct
import sys
import threading
import types
import typing
import uuid
import zoneinfo

import numpy as np
import polars as pl
import pytest
import rich.console

from dagrun.engine.code.constants import Description, readable
from dagrun.engine.code.tabular import MOST_CELLS, Opaque

ROOT = "/somewhere/project"


def relative(path):
    return path[len(ROOT) + 1 :] if path.startswith(ROOT + "/") else None


def by_name(value, where):
    """Stands for the walk through code: names functions and classes, and follows none."""
    if isinstance(value, type | types.FunctionType):
        ours = value.__module__ == __name__
        return {"$code" if ours else "$external": f"{value.__module__}:{value.__qualname__}"}
    return None


def form(value, where="VALUE"):
    return Description(relative=relative, code=by_name).describe(value, where)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Flags(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass(frozen=True)
class Settings:
    depth: int = 1
    inner: object = None


class Plain:
    def __init__(self, **values):
        vars(self).update(values)


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class Words(list):
    pass


class Code(int):
    """As the constants of `re._constants`: a number that refuses to be copied."""

    __reduce__ = None


Point = collections.namedtuple("Point", "x y")

# In each row all values differ from one another, and equal ones are made anew by the function.
ROWS = [
    lambda: [None, False, 0, 0.0, -0.0, "", b"", (), [], {}, set(), frozenset(), "0", 0j],
    lambda: [1, True, 1.0, "1", [1], (1,), {1}, frozenset({1}), {1: 1}, [True], [[1]]],
    lambda: [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, {"a": 1}],
    lambda: [float("nan"), float("inf"), 1e300, 5e-324],
    lambda: [dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), dt.time(1), dt.timedelta(1)],
    lambda: [dt.UTC, dt.timezone(dt.timedelta(hours=1)), zoneinfo.ZoneInfo("UTC")],
    lambda: [decimal.Decimal("1.0"), decimal.Decimal("1.00"), fractions.Fraction(1, 1)],
    lambda: [uuid.UUID(int=1), uuid.UUID(int=2), slice(1), slice(2), range(1), range(2), ...],
    lambda: [pathlib.Path("a"), pathlib.Path("b"), pathlib.Path(ROOT, "a"), "a", ROOT + "/a"],
    lambda: [re.compile("a"), re.compile("b"), re.compile("a", re.IGNORECASE)],
    lambda: [Colour.RED, Colour.BLUE, Flags.A, Flags.A | Flags.B, Colour],
    lambda: [Settings(), Settings(depth=2), Settings(inner=Settings()), Settings],
    lambda: [Plain(), Plain(x=1), Plain(x=2), Plain(y=1), Slotted(1), Slotted(2)],
    lambda: [Code(1), Code(2), 1, 2, re._constants.MAXREPEAT, re._constants.CATEGORY_DIGIT],
    lambda: [Words(), Words("a"), Point(1, 2), Point(2, 1), (1, 2), [1, 2]],
    lambda: [collections.deque([1]), collections.Counter("a"), collections.OrderedDict(a=1)],
    lambda: [collections.defaultdict(int, a=1), collections.defaultdict(float, a=1)],
    lambda: [functools.partial(int, 1), functools.partial(int, 2), functools.partial(float, 1)],
    lambda: [functools.partial(int, base=2), operator.itemgetter(1), operator.attrgetter("a")],
    lambda: [Plain(x=1).__init__, "a".join, "b".join, [].append],
    lambda: [list[int], list[str], int | str, int | None, typing.Optional[str]],  # noqa: UP045
    lambda: [typing.Literal["a"], typing.Literal["b"], typing.Any, typing.Callable[[int], str]],
    lambda: [np.float32(1), np.float64(1), np.array([1, 2]), np.array([[1, 2]]), np.dtype("i4")],
    lambda: [np.array(["a", None], dtype=object), np.array(["b", None], dtype=object)],
    lambda: [pl.col("a"), pl.col("b"), pl.col("a") + 1, pl.col("a").alias("b"), pl.lit(1)],
    lambda: [pl.when(pl.col("a") > 1).then(1), pl.when(pl.col("a") > 1).then(1).otherwise(2)],
    lambda: [pl.selectors.numeric(), pl.selectors.string(), pl.Int64(), pl.Datetime("us")],
    lambda: [pl.Datetime("us", "UTC"), pl.Enum(["a"]), pl.Enum(["b"]), pl.List(pl.Int8)],
    lambda: [pl.Schema({"a": pl.Int8, "b": pl.Int8}), pl.Schema({"b": pl.Int8, "a": pl.Int8})],
    lambda: [pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1.0]}), pl.DataFrame({"b": [1]})],
    lambda: [pl.Series("a", [1]), pl.DataFrame({"a": [None]}), pl.Series("a", [1], pl.Int8)],
]


@pytest.mark.parametrize("make", ROWS, ids=range(len(ROWS)))
def test_values_count_by_content(make):
    forms = [form(value) for value in make()]
    assert forms == [form(value) for value in make()]
    texts = [repr(item) for item in forms]
    assert len(set(texts)) == len(texts)


def test_what_has_no_influence_counts_as_nothing():
    values = [logging.getLogger("x"), threading.Lock(), threading.RLock(), threading.local()]
    values += [contextvars.ContextVar("x")]
    assert all("$nothing" in form(value) for value in values)


def test_values_that_contain_themselves():
    loop = [1]
    loop.append(loop)
    assert form(loop) == form(loop)
    owner = Plain(x=1)
    owner.itself = [owner]
    assert form(owner) == form(owner)


def test_exported_singletons_count_by_name():
    assert form(pl.col) == {"$exported": "polars:col"}
    assert form(np.log) != form(np.exp)


class Estimator:
    """As another library might define it; instances hold what they were fitted to."""

    def __init__(self, **state):
        vars(self).update(state)


Estimator.__module__ = "elsewhere"


def test_foreign_objects_count_while_they_hold_plain_settings():
    assert form(Estimator(depth=1)) != form(Estimator(depth=2))


OPAQUE = [
    (lambda: sqlite3.connect(":memory:"), "sqlite3.Connection", ""),
    (lambda: iter([1]), "list_iterator", "used up"),
    (lambda: (item for item in [1]), "generator", "used up"),
    (lambda: itertools.count(), "itertools.count", "used up"),
    (lambda: random.Random(), "random.Random", "seed"),
    (lambda: np.random.default_rng(1), "Generator", "seed"),
    (lambda: pl.LazyFrame({"a": [1]}), "LazyFrame", "let a stage make it"),
    (lambda: pl.DataFrame({"a": range(MOST_CELLS + 1)}), "DataFrame", "let a stage make it"),
    (lambda: np.zeros(MOST_CELLS + 1), "ndarray", "let a stage make it"),
    (lambda: Estimator(trees=bytearray(1000)), "bytearray", "trained model"),
    (lambda: Estimator(weights=np.zeros(3)), "ndarray", "let a stage make it"),
    (lambda: Estimator(lock=threading.Lock()), "lock", ""),
    (lambda: pl.col("a").map_elements(lambda x: x, pl.Int64), "Expr", "Python function"),
    (lambda: pl.col("a").name.map(lambda x: x), "Expr", "Python function"),
    (lambda: pl.reduce(lambda x, y: x, [pl.col("a")]), "Expr", "Python function"),
]


@pytest.mark.parametrize(("make", "kind", "advice"), OPAQUE, ids=range(len(OPAQUE)))
@pytest.mark.filterwarnings("ignore::polars.exceptions.PolarsInefficientMapWarning")
def test_refused(make, kind, advice):
    value = make()
    with pytest.raises(Opaque) as caught:
        form({"a": [value]}, "TABLE")
    assert kind in caught.value.kind
    assert advice in caught.value.advice
    assert caught.value.where.startswith("TABLE['a'][0]")
    if isinstance(value, sqlite3.Connection):
        value.close()


def test_readable_text_has_no_address():
    assert "0x" not in readable({"f": lambda: 1, "o": object()})
    assert len(readable("a" * 10_000)) < 5_000


def test_what_only_shows_counts_as_nothing():
    console = rich.console.Console()
    assert "$nothing" in form(console)
    assert "$nothing" in form(sys.stderr)
    assert form(struct.Struct("<i")) != form(struct.Struct("<q"))
