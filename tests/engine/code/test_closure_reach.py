"""How code is reached that the syntax does not show plainly, whose code counts, and refusals."""

import textwrap

import pytest
from closure_driver import Driver, write_project

HELPERS = "LIMIT = 1\n\n\ndef one():\n    return LIMIT\n\n\ndef two():\n    return 2\n"


@pytest.fixture(scope="module")
def driver():
    with Driver() as running:
        yield running


@pytest.fixture
def reach(tmp_path, driver):
    """Call with the pipeline's text, and further files, for the code version of its `model`."""

    def call(text, stage="model", **files):
        named = {name.replace("__", "/") + ".py": textwrap.dedent(t) for name, t in files.items()}
        text = "from dagrun import stage\n" + textwrap.dedent(text)
        root = write_project(tmp_path / "project", {"pipeline.py": text, **named})
        return driver.version_of(root, stage)

    return call


def symbols(answer):
    assert "error" not in answer, answer["error"]
    return set(answer["symbols"])


DYNAMIC = {
    "getattr on a module": ("import helpers\n", "return getattr(helpers, str(1))"),
    "module passed on": ("import helpers\n", "return print(helpers)"),
    "module in a constant": ("import helpers\nTABLE = {'h': helpers}\n", "return TABLE"),
    "module under a local name": ("import helpers\n", "h = helpers\n    return h.one()"),
    "vars": ("import helpers\n", "return vars(helpers)['one']"),
    "import_module": ("import importlib\n", "return importlib.import_module('helpers').one()"),
    "import_module alone": (
        "from importlib import import_module as load\n",
        "return load('helpers').one()",
    ),
    "import_module imported inside": (
        "",
        "import importlib\n    return importlib.import_module('helpers')",
    ),
    "__import__": ("", "return __import__('helpers').one()"),
    "import for its effect": ("", "import helpers"),
    "computed name": ("import importlib\n", "return importlib.import_module(str(rows))"),
}


@pytest.mark.parametrize("how", DYNAMIC)
def test_dynamic_reach_takes_the_whole_module_and_warns(reach, how):
    before, body = DYNAMIC[how]
    text = f"{before}@stage\ndef model():\n    {body.replace('rows', '1')}\n"
    found = reach(text, helpers=HELPERS)
    assert "helpers:*" in symbols(found)
    (warning,) = found["warnings"]
    assert warning.startswith("stage 'model': ")
    assert "pipeline.py:" in warning or "TABLE" in warning
    assert "helpers" in warning or "every Python file" in warning
    changed = reach(text, helpers=HELPERS.replace("return 2", "return 3"))
    assert changed["symbols"]["helpers:*"] != found["symbols"]["helpers:*"]


@pytest.mark.parametrize("body", ["globals()['f']()", "eval('f()')", "sys.modules[__name__].f()"])
def test_reach_into_the_own_module(reach, body):
    text = f"import sys\ndef f(): return 1\n@stage\ndef model():\n    return {body}\n"
    found = reach(text)
    assert {"pipeline:*", "pipeline:f"} <= symbols(found)
    assert "the whole of pipeline counts" in found["warnings"][0]


def test_getattr_on_data_is_no_reach(reach):
    found = reach("@stage\ndef model():\n    return getattr('a', str(1))\n")
    assert symbols(found) == {"pipeline:model"}
    assert not found["warnings"]


def test_getattr_on_a_module_follows_its_constants(reach):
    text = "import helpers\n@stage\ndef model():\n    return getattr(helpers, str(1))\n"
    assert {"helpers:one", "helpers:two", "helpers:LIMIT"} <= symbols(reach(text, helpers=HELPERS))


def test_local_names_hide_globals(reach):
    text = """
        x = y = z = w = v = u = 1
        def f(): return 1
        @stage
        def model():
            for x in range(3):
                y: int = x
            with open("a") as z, (lambda w: w)(1) as f:
                pass
            def inner(v):
                return v, z, [u for u in range(3)]
            return inner
    """
    assert symbols(reach(text)) == {"pipeline:model"}


def test_globals_in_nested_scopes(reach):
    text = """
        a = b = c = d = e = f = g = 1
        @stage
        def model(rows=1):
            global g
            g += 1
            class Local:
                field = a
                def method(self, x=b):
                    return c
            return [x for x in range(d) if (lambda: e)()], f"{f}"
    """
    found = symbols(reach(text))
    assert found == {"pipeline:model"} | {f"pipeline:{name}" for name in "abcdefg"}


def test_relative_imports_inside_functions(reach):
    found = reach(
        "from lib.user import use\n@stage\ndef model():\n    return use()\n",
        lib____init__="",
        lib__user="def use():\n    from . import near\n    from .near import g as h\n"
        "    return near.f() + h()\n",
        lib__near="def f():\n    return 1\n\n\ndef g():\n    return 2\n",
    )
    assert symbols(found) == {"pipeline:model", "lib.user:use", "lib.near:f", "lib.near:g"}


def test_missing_and_broken_imports_inside_functions(reach):
    text = """
        @stage
        def model():
            try:
                import not_there_at_all
            except ImportError:
                not_there_at_all = None
            import broken
            return broken.f()
    """
    found = reach(text, broken="raise RuntimeError('no')\n")
    assert symbols(found) == {"pipeline:model", "broken:*"}
    assert "RuntimeError: no" in found["warnings"][0]


def test_function_that_a_foreign_decorator_wraps(reach):
    text = """
        import functools
        @functools.singledispatch
        def describe(x): return 1
        @describe.register
        def _(x: int): return helper()
        def helper(): return 2
        @stage
        def model(): return describe(1)
    """
    assert {"pipeline:describe", "pipeline:_", "pipeline:helper"} <= symbols(reach(text))


def test_dynamic_classes_count_by_content(reach):
    text = """
        import collections
        Point = collections.namedtuple("Point", "x y")
        Made = type("Made", (), {"limit": 1})
        @stage
        def model(): return Point(1, 2), Made()
    """
    before = reach(text)
    for old, new, name in [("x y", "x z", "Point"), ("'limit': 1", "'limit': 2", "Made")]:
        after = reach(text.replace('"limit"', "'limit'").replace(old, new))
        assert before["symbols"][f"pipeline:{name}"] != after["symbols"][f"pipeline:{name}"]


def test_recursion_between_functions_and_closures(reach):
    text = """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def make():
            def again(n): return n and again(n - 1)
            return again
        again = make()
        @stage
        def model(): return even(3), again(2)
    """
    assert {"pipeline:even", "pipeline:odd", "pipeline:again"} <= symbols(reach(text))


def test_stages_made_by_a_factory_differ_by_their_closure(reach):
    text = """
        def make(factor, name):
            def scaled(): return factor
            scaled.__name__ = name
            return stage(scaled)
        first = make(1, "first")
        second = make(2, "second")
    """
    one, two = reach(text, "first"), reach(text, "second")
    assert set(one["symbols"]) == {"pipeline:make.<locals>.scaled"}
    assert one["symbols"] != two["symbols"]
    assert "# factor = 1" in one["texts"]["pipeline:make.<locals>.scaled"]


def test_decorated_stage(reach):
    text = """
        import functools
        def timed(f):
            @functools.wraps(f)
            def inner(): return f()
            return inner
        @stage
        @timed
        def model(): return 1
    """
    found = reach(text)
    assert found["paths"]["pipeline:model"] == ["pipeline:@model", "pipeline:model"]
    before, after = found, reach(text.replace("return f()", "return f() + 1"))
    assert before["symbols"]["pipeline:@model"] != after["symbols"]["pipeline:@model"]


def test_refusal_names_the_object_its_path_and_the_way_out(reach):
    found = reach(
        "import helpers\n@stage\ndef model():\n    return helpers.ask()\n",
        helpers="import sqlite3\nCONN = {'db': sqlite3.connect(':memory:')}\n\n\n"
        "def ask():\n    return CONN\n",
    )
    assert found["kind"] == "OpaqueObject"
    for part in (
        "stage 'model'",
        "CONN['db'] in helpers is a sqlite3.Connection",
        "model -> ask -> CONN",
        "inside the function",
        "param",
        "stage",
    ):
        assert part in found["error"]


def test_unreached_opaque_objects_do_no_harm(reach):
    text = (
        "import sqlite3\nCONN = sqlite3.connect(':memory:')\n@stage\ndef model():\n    return 1\n"
    )
    assert symbols(reach(text)) == {"pipeline:model"}


def test_definitions_of_one_name_are_told_apart(reach):
    text = """
        import collections, functools
        @functools.singledispatch
        def describe(x): return 0
        @describe.register
        def _(x: int): return 1
        @describe.register
        def _(x: str): return 2
        def f(): return 3
        first = f
        def f(): return 4
        One = collections.namedtuple("Point", "x")
        Two = collections.namedtuple("Point", "y")
        @stage
        def model(): return describe(1), first(), f(), One(1), Two(1)
    """
    before = reach(text)
    for number in range(5):
        changed = reach(text.replace(f"return {number}", f"return {number} + 1"))
        assert changed["symbols"] != before["symbols"], number
    for name in "xy":
        changed = reach(text.replace(f'"Point", "{name}"', f'"Point", "{name}z"'))
        assert changed["symbols"] != before["symbols"], name
