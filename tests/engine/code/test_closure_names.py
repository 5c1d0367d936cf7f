"""The names that code takes from outside, against what Python's own compiler makes of it."""

import ast
import dis
import textwrap
import types
from pathlib import Path

import pytest

from dagrun.engine.code.names import used_names
from dagrun.engine.code.syntax import Source

STDLIB = Path(ast.__file__).parent
# Large, old and new code in every style, with nested scopes of all kinds.
MODULES = ["argparse", "ast", "asyncio/base_events", "contextlib", "dataclasses", "enum", "inspect"]
MODULES += ["_pydecimal", "statistics", "tarfile", "typing", "unittest/mock", "xml/dom/minidom"]


def nested(code):
    yield code
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from nested(item)


def compiled_names(code):
    """The globals and builtins that compiled code reads, in functions and in class bodies."""
    every = [item for part in nested(code) for item in dis.get_instructions(part)]
    in_functions = {item.argval for item in every if item.opname == "LOAD_GLOBAL"}
    in_classes = {item.argval for item in every if item.opname in ("LOAD_NAME", "LOAD_CLASSDEREF")}
    return in_functions, in_classes


def functions(path):
    """Yield every outermost function of a file: compiled, and its bare syntax."""
    text = path.read_text()
    source = Source("module", str(path), text)
    for code in nested(compile(text, str(path), "exec", dont_inherit=True)):
        if (
            code.co_name.startswith("<")
            or "<" in code.co_qualname
            or source.classes(code.co_qualname)
        ):
            continue
        for node in source.function(code):
            node.decorator_list, node.returns = [], None
            for item in ast.walk(node.args):
                if isinstance(item, ast.arg):
                    item.annotation = None
            node.args.defaults = []
            node.args.kw_defaults = [None] * len(node.args.kwonlyargs)
            yield code, node


@pytest.mark.parametrize("module", MODULES)
def test_agrees_with_the_compiler(module):
    count = 0
    for code, node in functions(STDLIB / f"{module}.py"):
        found = used_names(node)
        names = {use.names[0] for use in found.uses} - set(found.imports) - {"__debug__"}
        in_functions, in_classes = compiled_names(code)
        # getattr(x, "literal") stands for x.literal, so it is not reported itself.
        assert in_functions - names - set(found.imports) <= {"getattr"}, code.co_qualname
        assert names <= in_functions | in_classes, code.co_qualname
        count += 1
    assert count > 20


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("a.b.c(d)", ["a.b.c", "d"]),
        ("a[b].c", ["a", "b"]),
        ("getattr(a.b, 'c').d", ["a.b.c"]),
        ("getattr(a, b)", ["getattr", "a", "b"]),
        ("load('x')", ["load"]),
        ("[a for a in a]", ["a"]),
        ("[b for a in c if (b := a)]", ["c"]),
        ("{a: b for a, b in c.items() if a}", ["c.items"]),
        ("(lambda a, *b, c=d, **e: (a, b, c, e, f))", ["d", "f"]),
        ("f'{a!r:{b}}'", ["a", "b"]),
    ],
)
def test_expressions(text, uses):
    (node,) = ast.parse(f"def f():\n    {text}\n").body
    assert [".".join(use.names) for use in used_names(node).uses] == uses


def test_nonlocal_names_are_taken_from_the_closure():
    text = """
        def count(x):
            nonlocal seen
            local = 1
            def inner():
                nonlocal seen, local
                seen, local = seen + 1, local + 1
            seen = seen + x
    """
    (node,) = ast.parse(textwrap.dedent(text)).body
    assert {use.names[0] for use in used_names(node).uses} == {"seen"}


def test_statements_bind():
    text = """
        def f(p, /, q, *r, s, **t):
            import a, b.c, d as e
            from g import h as i
            global j
            for k, (l, *m) in p: n: int = 1
            with q as o: pass
            try: pass
            except E as u: pass
            match r:
                case {"x": v, **w}: pass
                case [x, *y] | C(z=y, x=x): pass
            def inner(): return k, u, outer
            class Local: pass
            del n
            j += 1
            return Local, inner, w, o, m, i, a.z, e, b.c.g
    """
    (node,) = ast.parse(textwrap.dedent(text)).body
    found = used_names(node)
    outside = {"int", "E", "C", "outer", "j", "a", "b", "e", "i"}
    assert {use.names[0] for use in found.uses} == outside
    assert set(found.imports) == {"a", "b", "e", "i"}
