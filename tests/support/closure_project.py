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
    return 1


@stage
def base(rows, limit: int = 5):
    return limit


@stage(retries=2)
def model(rows, depth: int = 6, shape: Square = None):
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
    total += cached(1) + nested(3) + recursive(3) + thirdparty.function(1) + ready_made(1)
    total += soon(1) + late2.function(2) + Colour.RED.value + base(1) + shape.area()
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

# Edits as (name, file, old text, new text); old None adds to the end, "" renames the file to new.
KEEPING = [
    ("comment", "pipeline.py", "    # Comment.\n", "    # Another.\n"),
    ("docstring", "pipeline.py", '"""Docstring."""', '"""Another."""'),
    ("no docstring", "pipeline.py", '    """Docstring."""\n', ""),
    ("helper's new docstring", "deeper.py", "    return x", '    """New."""\n    return x'),
    ("class docstring", "lib/shapes.py", "    def area", '    """New."""\n\n    def area'),
    ("module docstring", "helpers.py", "\nfrom", '"""New."""\nfrom'),
    ("blank lines", "helpers.py", "\n\n\n", "\n\n\n\n\n"),
    ("line shift", "pipeline.py", "\nimport contextlib", "# 1\n# 2\n\nimport contextlib"),
    ("formatting", "pipeline.py", "Child().mixed(1) +", "(Child( ).mixed( 1 ))  +"),
    ("quotes", "pipeline.py", '["first"]', "['first']"),
    ("unrelated function", "pipeline.py", '"unrelated"', '"changed"'),
    ("unused helper", "helpers.py", "half(1)", "half(2)"),
    ("new function above", "pipeline.py", "class Colour", "def new():\n    pass\n\n\nclass Colour"),
    ("new unused import", "pipeline.py", "import enum\n", "import enum\nimport json\n"),
    ("unused lambda of the same line", "pipeline.py", "x * x * x", "x * x * x * x"),
    ("constant moved", "pipeline.py", "LIMIT = 10\nFALSY = 0\n", "FALSY = 0\nLIMIT = 10\n"),
    ("constant spelled differently", "pipeline.py", "LIMIT = 10", "LIMIT = 2 * 5"),
    ("set order", "pipeline.py", '{"x"}', '{"x", "x"}'),
    ("stage settings", "pipeline.py", "retries=2", "retries=3"),
    ("param default, keyed as a param", "pipeline.py", "depth: int = 6", "depth: int = 7"),
    ("code of a distribution", ".venv/site-packages/thirdparty/__init__.py", "x\n", "x + 1\n"),
    (
        "version of an unreached distribution",
        ".venv/site-packages/unreached-1.0.dist-info/RECORD",
        "",
        ".venv/site-packages/unreached-2.0.dist-info/RECORD",
    ),
    ("dagrun's machinery", "dagrun_engine/machinery.py", "return x", "return x + 1"),
    ("file that nothing imports", "other.py", None, "x = 1\n"),
    ("re-export spelled differently", "lib/__init__.py", ".inner", "lib.inner"),
]

# And the symbols (or distributions) that differ then.
CHANGING = [
    ("body", "pipeline.py", "+ math.floor(o)", "- math.floor(o)", "pipeline:model"),
    ("helper in the same module", "pipeline.py", "n if n < 1", "n if n < 2", "pipeline:recursive"),
    ("helper by module.attribute", "helpers.py", "x / 2", "x / 3", "helpers:half"),
    ("helper by from-import-as", "helpers.py", "two_hops(x) * 2", "two_hops(x)", "helpers:double"),
    ("helper two hops away", "deeper.py", "x + BASE", "x - BASE", "deeper:two_hops"),
    ("constant two hops away", "deeper.py", "BASE = 1", "BASE = 2", "deeper:BASE"),
    ("re-exported helper", "lib/inner.py", "return x\n\n\n", "return -x\n\n\n", "lib.inner:public"),
    (
        "re-export of another",
        "lib/__init__.py",
        "public",
        "other",
        "pipeline:model lib.inner:public lib.inner:other",
    ),
    ("chain through a package", "lib/deep.py", "return x", "return -x", "lib.deep:chained"),
    (
        "two swapped imports",
        "pipeline.py",
        "double as twice, triple as thrice",
        "triple as twice, double as thrice",
        "pipeline:model",
    ),
    (
        "another standard function",
        "pipeline.py",
        "floor as whole",
        "ceil as whole",
        "pipeline:model",
    ),
    ("constant", "pipeline.py", "LIMIT = 10", "LIMIT = 11", "pipeline:LIMIT pipeline:with_default"),
    ("type of a constant", "pipeline.py", "FALSY = 0", "FALSY = 0.0", "pipeline:FALSY"),
    ("falsy constant", "pipeline.py", "FALSY = 0", "FALSY = None", "pipeline:FALSY"),
    ("nested constant", "pipeline.py", "2.5", "2.75", "pipeline:NESTED"),
    (
        "order of a dictionary",
        "pipeline.py",
        '{"first": [1, (2.5, {"x"})], "second": None}',
        '{"second": None, "first": [1, (2.5, {"x"})]}',
        "pipeline:NESTED",
    ),
    ("pattern", "pipeline.py", '"a+"', '"a*"', "pipeline:PATTERN"),
    ("lambda in a table", "pipeline.py", "lambda x: x + 1", "lambda x: x + 2", "pipeline:TABLE"),
    ("function in a table", "pipeline.py", '"half": h.half', '"half": h.add', "pipeline:TABLE"),
    ("lambda", "pipeline.py", "lambda x: x * x;", "lambda x: x + x;", "pipeline:square"),
    ("default value", "pipeline.py", "by=2", "by=3", "pipeline:with_default"),
    ("keyword default", "pipeline.py", "plus=LIMIT", "plus=LIMIT + 1", "pipeline:with_default"),
    ("closure value", "pipeline.py", "scale_by(3)", "scale_by(4)", "pipeline:by_three"),
    ("closure body", "pipeline.py", "x * factor", "x + factor", "pipeline:by_three"),
    ("base-class method", "pipeline.py", "x * self.rate", "x + self.rate", "pipeline:Parent"),
    ("class attribute", "pipeline.py", "rate = 3", "rate = 4", "pipeline:Parent"),
    ("mixin method", "pipeline.py", "return x + 1\n", "return x + 2\n", "pipeline:Mixin"),
    ("property", "pipeline.py", "return 0.5", "return 0.25", "pipeline:Child"),
    ("default of a static method", "pipeline.py", "fixed(x=1)", "fixed(x=2)", "pipeline:Child"),
    ("bases", "pipeline.py", "(Mixin, Parent)", "(Parent, Mixin)", "pipeline:Child"),
    (
        "dataclass field",
        "pipeline.py",
        '("a", "b")',
        '("a",)',
        "pipeline:SETTINGS pipeline:Settings",
    ),
    ("dataclass instance", "pipeline.py", "(depth=5)", "(depth=6)", "pipeline:SETTINGS"),
    ("enum member", "pipeline.py", "BLUE = 2", "BLUE = 3", "pipeline:Colour"),
    (
        "decorator with __wrapped__",
        "decorators.py",
        "return function(*arguments)\n\n",
        "return function(*arguments, *[])\n\n",
        "decorators:timed pipeline:@decorated",
    ),
    (
        "decorator without __wrapped__",
        "decorators.py",
        "* level",
        "+ level",
        "decorators:untold pipeline:@wrapped",
    ),
    (
        "argument of a decorator",
        "pipeline.py",
        "level=2",
        "level=3",
        "pipeline:wrapped pipeline:@wrapped",
    ),
    ("decorated body", "pipeline.py", "x + 100", "x + 101", "pipeline:decorated"),
    ("body behind __wrapped__-less", "pipeline.py", "x + 200", "x + 201", "pipeline:wrapped"),
    ("body behind a cache", "pipeline.py", "x + 300", "x + 301", "pipeline:cached"),
    ("body of a context manager", "pipeline.py", "yield 1", "yield 2", "pipeline:opened"),
    ("async def", "pipeline.py", "x + 400", "x + 401", "pipeline:fetched"),
    ("nested function", "pipeline.py", "y + h", "y - h", "pipeline:nested"),
    ("global in a nested function", "helpers.py", "return 1\n", "return 9\n", "helpers:in_nested"),
    ("partial argument", "pipeline.py", "h.add, 7", "h.add, 8", "pipeline:add"),
    ("partial function", "helpers.py", "x + y", "x - y", "helpers:add"),
    ("function-local from-import", "late.py", "return x", "return -x", "late:imported"),
    ("function-local import", "late2.py", "return x", "return -x", "late2:function"),
    ("getattr with a literal", "helpers.py", "return 2\n", "return 3\n", "helpers:by_literal"),
    ("class of an annotation", "lib/shapes.py", "return 1", "return 2", "lib.shapes:Square"),
    (
        "a stage called as a function",
        "pipeline.py",
        "return limit",
        "return -limit",
        "pipeline:base()",
    ),
    (
        "default of a called stage",
        "pipeline.py",
        "limit: int = 5",
        "limit: int = 6",
        "pipeline:base()",
    ),
    (
        "ready-made stage code",
        "dagrun_stages/extra.py",
        "    return x\n",
        "    return -x\n",
        "dagrun.stages.extra:part",
    ),
    (
        "upgrade of a distribution",
        ".venv/site-packages/Third_Party-1.0.dist-info/RECORD",
        "",
        ".venv/site-packages/Third_Party-1.1.dist-info/RECORD",
        "third-party",
    ),
]
