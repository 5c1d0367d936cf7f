"""A second small project, of rarer ways to reach code, and its edits (as in `closure_edits`)."""

FILES = {
    "pyproject.toml": "",
    "pipeline.py": '''
import asyncio
import dataclasses
import datetime
import decimal
import enum
import functools
import typing

import steps
import thirdparty
from dagrun import stage
from shapes import Worker
from steps import *
from steps import KNOWN as RENAMED

if typing.TYPE_CHECKING:
    import json

try:
    from missing import chosen
except ImportError:
    from fallback import chosen

ZERO = 0
NO = False
NONE = None
TEXT = ""
TUPLE = ()
MAPPING = {}
POSITIVE = 0.0
IN_LIST, IN_SET, IN_DICT, IN_GENERATOR, IN_NESTED, IN_LAMBDA, IN_WALRUS = 1, 2, 3, 4, 5, 6, 7
DERIVED = steps.BASE * 1_000
DAY = datetime.date(2024, 1, 1)
PRICE = decimal.Decimal("1.0")
NAMES = frozenset({"a", "b"})
UNUSED = 1
counter = 5


class Level(str, enum.Enum):
    LOW = "low"
    HIGH = "high"

    def rank(self):
        return 1


class Access(enum.IntFlag):
    READ = enum.auto()
    WRITE = enum.auto()


BY_LEVEL = {Level.LOW: 1, Level.HIGH: 2}


class Point(typing.NamedTuple):
    x: int = 0
    y: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
    steps: list = dataclasses.field(default_factory=lambda: [1])

    def __post_init__(self):
        assert self.steps


class Counted:
    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments) + 0


@Counted
def counted(x):
    return x + 10


@steps.twice
@steps.plus(by=1)
def stacked(x):
    return x + 20


@functools.singledispatch
def describe(x):
    return 30


@describe.register
def _(x: int):
    return 31


def tally(start):
    seen = start

    def count(x):
        nonlocal seen
        seen = seen + x
        return seen

    return count


def apply(function):
    def applied(x):
        return function(x)

    return applied


def ordered(rows, key=steps.by_default):
    return sorted(rows, key=key)


def plain(x, make=lambda: 7):
    return x + make()


if UNUSED:

    def conditional(x):
        return x + 40

else:

    def conditional(x):
        return x + 41


async def stream(count):
    for number in range(count):
        yield number + 50


async def total_of(count):
    return sum([number async for number in stream(count)])


def generated(rows):
    yield from (row + 60 for row in rows)


tallied = tally(3)
applied = apply(steps.applied)
keyworded = functools.partial(steps.scaled, by=2)
layered = functools.partial(keyworded, 5)


@stage
def rows():
    return [1, 2, 3]


@stage
def model(rows: list, depth: int = 6) -> tuple:
    global counter
    counter += 1
    found = [x for x in rows if x < IN_LIST]
    found += {x + IN_SET for x in rows}
    found += {x: x * IN_DICT for x in rows}.values()
    found += (x - IN_GENERATOR for x in rows)
    found += [x + y for x in rows for y in range(IN_NESTED)]
    found += [(lambda y: y + IN_LAMBDA)(x) for x in rows]
    found += [z for x in rows if (z := x + IN_WALRUS)]
    flags = [ZERO, NO, NONE, TEXT, TUPLE, MAPPING, POSITIVE, DERIVED, DAY, PRICE, NAMES]
    match depth:
        case steps.MATCHED:
            found.append(1)
    try:
        assert steps.asserted(depth)
    except steps.Refused:
        pass
    with steps.Opened() as opened:
        found.append(opened)
    found += [starred(1), RENAMED, chosen(1), counted(1), stacked(1), describe(1), tallied(1)]
    found += [applied(1), keyworded(1), layered(), plain(1), conditional(1), steps.lazily(1)]
    found += [*ordered(rows), *generated(rows), *map(steps.mapped, rows)]
    found += [Worker().area(), Worker().half(4), Worker().kept, Worker.Inner.limit, +Worker()]
    found += [Level.LOW.rank(), Access.READ.value, BY_LEVEL[Level.HIGH], Point().y]
    found += [Plan().steps[0], asyncio.run(total_of(2)), thirdparty.function(1)]
    note = f"{steps.formatted(1):>{steps.WIDTH}}"
    return found, [str(flag) for flag in flags], note, """one
    two""", 16, "ab"
''',
    "steps.py": """
__all__ = ["starred"]
KNOWN = 1
BASE = 2
MATCHED = 3
WIDTH = 4


class Refused(Exception):
    pass


class Opened:
    def __enter__(self):
        return 1

    def __exit__(self, *problem):
        return None


def starred(x):
    return x + 100


def plus(by):
    def decorate(function):
        return lambda x: function(x) + by

    return decorate


def twice(function):
    return lambda x: helper(function(x))


def helper(x):
    return x * 2


def applied(x):
    return x + 110


def scaled(x, by=1):
    return x * by


def by_default(x):
    return -x


def mapped(x):
    return x + 120


def asserted(x):
    return x + 130


def formatted(x):
    return x + 140


def __getattr__(name):
    if name == "lazily":
        import lazy

        return lazy.lazily
    raise AttributeError(name)
""",
    "lazy.py": "def lazily(x):\n    return x + 150\n",
    "fallback.py": "def chosen(x):\n    return x + 160\n",
    "shapes.py": '''
import functools

from bases import Root


class Meta(type):
    def __call__(cls, *arguments):
        return super().__call__(*arguments)


class Worker(Root, metaclass=Meta):
    class Inner:
        limit = 1

    def area(self):
        return super().area() + 1

    def scaled(self, by, x):
        return x / by

    half = functools.partialmethod(scaled, 2)

    @functools.cached_property
    def kept(self):
        return 3

    def __pos__(self):
        """Docstring."""
        return 4
''',
    "bases.py": """
class Root:
    def __init_subclass__(cls):
        cls.mark = 1

    def area(self):
        return 2
""",
    ".venv/site-packages/thirdparty/__init__.py": "def function(x):\n    return x\n",
    ".venv/site-packages/Third_Party-1.0.dist-info/RECORD": "thirdparty/__init__.py,,\n",
}

KEEPING = [
    ("method's docstring", "shapes.py", '"""Docstring."""', '"""Other words."""'),
    ("import for type checkers only", "pipeline.py", "import json", "import csv"),
    ("unused constant", "pipeline.py", "UNUSED = 1", "UNUSED = 2"),
    ("underscores in a number", "pipeline.py", "1_000", "1000"),
    ("number in hexadecimal", "pipeline.py", ', 16, "ab"', ', 0x10, "ab"'),
    ("string in two pieces", "pipeline.py", '16, "ab"', '16, "a" "b"'),
    ("spaces", "pipeline.py", 'note, """one', 'note,  """one'),
    ("wider indentation", "lazy.py", "    return", "        return"),
    ("two statements on one line", "bases.py", ":\n        return 2", ": return 2"),
    (
        "order of functions",
        "pipeline.py",
        "def plain",
        "def unrelated():\n    return 1\n\n\ndef plain",
    ),
    ("order of a set's elements", "pipeline.py", '{"a", "b"}', '{"b", "a"}'),
    ("parentheses", "steps.py", "return x + 100", "return (\n        x + 100\n    )"),
    (
        "string that is no docstring",
        "steps.py",
        "    return x + 110",
        "    '''No.'''\n    return x + 110",
    ),
    ("comment for a linter", "steps.py", "return x + 120", "return x + 120  # noqa: E501"),
    ("encoding declared", "lazy.py", "def lazily", "# -*- coding: utf-8 -*-\ndef lazily"),
    ("branch not taken, of an import", "fallback.py", None, "def other(x):\n    return x\n"),
    ("unused export", "steps.py", "KNOWN = 1", "KNOWN = 1\nUNKNOWN = 2"),
]

CHANGING = [
    ("0 to False", "pipeline.py", "ZERO = 0", "ZERO = False", "pipeline:ZERO"),
    ("False to None", "pipeline.py", "NO = False", "NO = None", "pipeline:NO"),
    ("None to 0", "pipeline.py", "NONE = None", "NONE = 0", "pipeline:NONE"),
    ("text to bytes", "pipeline.py", 'TEXT = ""', 'TEXT = b""', "pipeline:TEXT"),
    ("empty tuple to list", "pipeline.py", "TUPLE = ()", "TUPLE = []", "pipeline:TUPLE"),
    ("empty mapping to set", "pipeline.py", "MAPPING = {}", "MAPPING = set()", "pipeline:MAPPING"),
    ("sign of zero", "pipeline.py", "POSITIVE = 0.0", "POSITIVE = -0.0", "pipeline:POSITIVE"),
    ("global in a list comprehension", "pipeline.py", "= 1, 2", "= 9, 2", "pipeline:IN_LIST"),
    ("global in a set comprehension", "pipeline.py", "1, 2, 3", "1, 9, 3", "pipeline:IN_SET"),
    ("global in a dict comprehension", "pipeline.py", "2, 3, 4", "2, 9, 4", "pipeline:IN_DICT"),
    ("global in a generator", "pipeline.py", "3, 4, 5", "3, 9, 5", "pipeline:IN_GENERATOR"),
    ("global in an inner loop", "pipeline.py", "4, 5, 6", "4, 9, 6", "pipeline:IN_NESTED"),
    ("global in an inner lambda", "pipeline.py", "5, 6, 7", "5, 9, 7", "pipeline:IN_LAMBDA"),
    ("global in a walrus", "pipeline.py", "6, 7\n", "6, 9\n", "pipeline:IN_WALRUS"),
    ("computed constant", "steps.py", "BASE = 2", "BASE = 3", "pipeline:DERIVED"),
    ("date", "pipeline.py", "2024, 1, 1", "2024, 1, 2", "pipeline:DAY"),
    ("digits of a decimal", "pipeline.py", '"1.0"', '"1.00"', "pipeline:PRICE"),
    ("frozen set", "pipeline.py", '{"a", "b"}', '{"a", "c"}', "pipeline:NAMES"),
    ("global that is assigned", "pipeline.py", "counter = 5", "counter = 6", "pipeline:counter"),
    ("constant under another name", "steps.py", "KNOWN = 1", "KNOWN = 2", "pipeline:RENAMED"),
    ("constant in a pattern", "steps.py", "MATCHED = 3", "MATCHED = 6", "steps:MATCHED"),
    ("width in a format", "steps.py", "WIDTH = 4", "WIDTH = 5", "steps:WIDTH"),
    ("call in a format", "steps.py", "x + 140", "x + 141", "steps:formatted"),
    ("call in an assertion", "steps.py", "x + 130", "x + 131", "steps:asserted"),
    ("base of an exception", "steps.py", "Refused(Exception)", "Refused(OSError)", "steps:Refused"),
    ("context manager's class", "steps.py", "return 1\n", "return 2\n", "steps:Opened"),
    ("function passed to map", "steps.py", "x + 120", "x + 121", "steps:mapped"),
    ("function by a star import", "steps.py", "x + 100", "x + 101", "steps:starred"),
    ("function by a module's __getattr__", "lazy.py", "x + 150", "x + 151", "lazy:lazily"),
    ("fallback of an import", "fallback.py", "x + 160", "x + 161", "fallback:chosen"),
    ("function as a default", "steps.py", "return -x", "return x", "steps:by_default"),
    ("lambda as a default", "pipeline.py", "lambda: 7", "lambda: 8", "pipeline:plain"),
    ("conditional definition", "pipeline.py", "x + 40", "x + 42", "pipeline:conditional"),
    ("async generator", "pipeline.py", "number + 50", "number + 51", "pipeline:stream"),
    ("generator", "pipeline.py", "row + 60", "row + 61", "pipeline:generated"),
    ("start of a nonlocal", "pipeline.py", "tally(3)", "tally(4)", "pipeline:tallied"),
    ("function in a closure", "steps.py", "x + 110", "x + 111", "steps:applied"),
    (
        "keyword of a partial",
        "pipeline.py",
        "by=2)",
        "by=3)",
        "pipeline:keyworded pipeline:layered",
    ),
    ("partial of a partial", "pipeline.py", "keyworded, 5", "keyworded, 6", "pipeline:layered"),
    ("partial method", "shapes.py", "(scaled, 2)", "(scaled, 3)", "shapes:Worker"),
    ("metaclass", "shapes.py", "__call__(*arguments)\n", "__call__()\n", "shapes:Meta"),
    ("inner class", "shapes.py", "limit = 1", "limit = 2", "shapes:Worker shapes:Worker.Inner"),
    ("cached property", "shapes.py", "return 3", "return 5", "shapes:Worker shapes:Worker.kept"),
    ("operator", "shapes.py", "return 4", "return 5", "shapes:Worker"),
    ("base class two modules away", "bases.py", "return 2", "return 3", "bases:Root"),
    (
        "class set up by its base",
        "bases.py",
        "mark = 1",
        "mark = 2",
        "bases:Root shapes:Worker",
    ),
    (
        "added enum member",
        "pipeline.py",
        '"high"\n',
        '"high"\n    TOP = "top"\n',
        "pipeline:Level",
    ),
    (
        "enum method",
        "pipeline.py",
        "return 1\n\n\nclass Access",
        "return 2\n\n\nclass Access",
        "pipeline:Level",
    ),
    (
        "order of automatic members",
        "pipeline.py",
        "READ = enum.auto()\n    WRITE",
        "WRITE = enum.auto()\n    READ",
        "pipeline:Access",
    ),
    (
        "value by an enum member",
        "pipeline.py",
        "Level.HIGH: 2",
        "Level.HIGH: 3",
        "pipeline:BY_LEVEL",
    ),
    ("default of a named tuple", "pipeline.py", "y: int = 0", "y: int = 1", "pipeline:Point"),
    ("default factory", "pipeline.py", "lambda: [1]", "lambda: [2]", "pipeline:Plan"),
    ("post-init", "pipeline.py", "assert self.steps", "assert self", "pipeline:Plan"),
    (
        "class as a decorator",
        "pipeline.py",
        "(*arguments) + 0",
        "(*arguments) + 1",
        "pipeline:Counted",
    ),
    ("body behind a class", "pipeline.py", "x + 10\n", "x + 11\n", "pipeline:counted"),
    ("helper of a decorator", "steps.py", "return x * 2", "return x * 3", "steps:helper"),
    (
        "argument of an inner decorator",
        "pipeline.py",
        "plus(by=1)",
        "plus(by=2)",
        "pipeline:@stacked pipeline:stacked",
    ),
    (
        "order of decorators",
        "pipeline.py",
        "@steps.twice\n@steps.plus(by=1)",
        "@steps.plus(by=1)\n@steps.twice",
        "pipeline:@stacked pipeline:stacked",
    ),
    ("body beneath two decorators", "pipeline.py", "x + 20", "x + 21", "pipeline:stacked"),
    ("implementation for a type", "pipeline.py", "return 31", "return 32", "pipeline:_"),
    (
        "upgrade of a reached distribution",
        ".venv/site-packages/Third_Party-1.0.dist-info/RECORD",
        "",
        ".venv/site-packages/Third_Party-2.0.dist-info/RECORD",
        "third-party",
    ),
]
