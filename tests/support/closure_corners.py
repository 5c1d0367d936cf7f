"""A second small project, of rarer ways to reach code."""

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
