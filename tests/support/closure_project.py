"""A small project whose stage `model` reaches code and constants in every way there is."""

FILES = {
    "pyproject.toml": "",
    "pipeline.py": '''
import contextlib
import enum
import functools
import math
import re
from dataclasses import dataclass, field
from math import floor as whole
from pathlib import Path

import helpers as h
import lib
import thirdparty
from dagrun import Files, stage
from dagrun.stages.extra import ready_made
from decorators import timed, untold
from helpers import double as twice, triple as thrice
from lib import exported
from lib.shapes import Square

HERE = Path(__file__).parent
HERE_AS_TEXT = str(HERE / "data")
LIMIT = 10
FALSY = 0
NESTED = {"first": [1, (2.5, {"x"})], "second": None}
PATTERN = re.compile("a+")
TABLE = {"half": h.half, "add": lambda x: x + 1}
_cache = {}


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Parent:
    rate = 3

    def scaled(self, x):
        return x * self.rate


class Mixin:
    def mixed(self, x):
        return x + 1


class Child(Mixin, Parent):
    @property
    def ratio(self):
        return 0.5

    @classmethod
    def made(cls):
        return cls()

    @staticmethod
    def fixed(x=1):
        return x


@dataclass(frozen=True)
class Settings:
    depth: int = 4
    names: tuple = field(default=("a", "b"))


SETTINGS = Settings(depth=5)


def scale_by(factor):
    def scale(x):
        return x * factor

    return scale


by_three = scale_by(3)
add = functools.partial(h.add, 7)
square = lambda x: x * x; cube = lambda x: x * x * x


def with_default(x, by=2, *, plus=LIMIT):
    return x * by + plus


@timed
def decorated(x):
    return x + 100


@untold(level=2)
def wrapped(x):
    return x + 200


@functools.lru_cache(maxsize=None)
def cached(x):
    return x + 300


@contextlib.contextmanager
def opened():
    yield 1


async def fetched(x):
    return x + 400


def nested(x):
    def inner(y):
        return y + h.in_nested()

    return [inner(item) + FALSY for item in range(x) if item < LIMIT]


def unrelated():
    return "unrelated"


def recursive(n):
    return n if n < 1 else recursive(n - 1)


@stage
def rows(files: Files = Files("*.csv")):
    return [1, 2, 3]


@stage
def base(rows, limit: int = 5):
    return limit


@stage(retries=2)
def model(rows: list, depth: int = 6, shape: Square = None) -> tuple:
    """Docstring."""
    # Comment.
    from late import imported as soon
    import late2
    with opened() as o:
        total = whole(1.5) + math.floor(o)
    total += h.half(twice(thrice(1))) + exported(2) + lib.deep.chained(3)
    total += NESTED["first"][0] + len(PATTERN.pattern) + TABLE["add"](1)
    total += Child().mixed(1) + Child.made().scaled(2) + SETTINGS.depth
    total += by_three(2) + add(1) + square(2) + with_default(1) + decorated(1) + wrapped(1)
    total += cached(1) + sum(nested(3)) + recursive(3) + thirdparty.function(1) + ready_made(1)
    total += soon(1) + late2.function(2) + Colour.RED.value + base(1)
    total += shape.area() if shape else 0
    getattr(h, "by_literal")()
    _cache[1] = fetched
    return total, str(HERE), HERE_AS_TEXT
''',
    "helpers.py": """
from deeper import two_hops


def half(x):
    return x / 2


def double(x):
    return two_hops(x) * 2


def triple(x):
    return x * 3


def add(x, y):
    return x + y


def in_nested():
    return 1


def by_literal():
    return 2


def unused():
    return half(1)
""",
    "deeper.py": """
BASE = 1


def two_hops(x):
    return x + BASE
""",
    "decorators.py": """
import functools


def timed(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)

    return inner


def untold(level):
    def decorate(function):
        def inner(*arguments):
            return function(*arguments) * level

        return inner

    return decorate
""",
    "late.py": "def imported(x):\n    return x\n",
    "late2.py": "def function(x):\n    return x\n",
    "lib/__init__.py": "from . import deep\nfrom .inner import public as exported\n",
    "lib/inner.py": "def public(x):\n    return x\n\n\ndef other(x):\n    return x\n",
    "lib/deep.py": "def chained(x):\n    return x\n",
    "lib/shapes.py": "class Square:\n    def area(self):\n        return 1\n",
    ".venv/site-packages/thirdparty/__init__.py": "def function(x):\n    return x\n",
    ".venv/site-packages/Third_Party-1.0.dist-info/RECORD": "thirdparty/__init__.py,,\n",
    ".venv/site-packages/unreached-1.0.dist-info/RECORD": "unreached/__init__.py,,\n",
    "dagrun_stages/extra.py": (
        "from dagrun.engine.machinery import run\n\n\n"
        "def ready_made(x):\n    return run(x) + part(x)\n\n\ndef part(x):\n    return x\n"
    ),
    "dagrun_engine/machinery.py": "def run(x):\n    return x\n",
}
