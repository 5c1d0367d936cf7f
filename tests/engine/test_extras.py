"""The error for a library that an extra brings, and that every extra named is one of ours."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dagrun import Files, Http, Objects, Query
from dagrun.engine.extras import MissingExtra

ROOT = Path(__file__).parents[2]


def test_the_message_says_what_needs_which_library_and_how_to_get_it() -> None:
    error = MissingExtra("httpx", "http", "the source Http")
    assert (error.library, error.extra, error.what) == ("httpx", "http", "the source Http")
    assert str(error) == (
        "the source Http needs httpx, which is not installed. "
        "Install it with: pip install 'dagrun[http]'"
    )


@pytest.mark.parametrize(
    ("library", "extra", "read"),
    [
        ("adbc_driver_sqlite", "sql", lambda: Query("SELECT 1", "sqlite:x.db").read()),
        ("adbc_driver_manager", "sql", lambda: Query("SELECT 1", "postgresql://host/d").read()),
        ("httpx", "http", lambda: Http("http://127.0.0.1:1/").find()),
        ("stamina", "http", lambda: Http("http://127.0.0.1:1/").find()),
        ("obstore", "objects", lambda: Objects("file:///tmp").find()),
        ("fastexcel", "excel", lambda: Files(__file__).read_excel()),
    ],
)
def test_a_library_that_is_not_there_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, library: str, extra: str, read: Callable[[], object]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'dagrun\[{extra}\]'"):
        read()


def test_every_extra_that_is_named_in_the_code_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    named = {
        (str(path.relative_to(ROOT)), str(call.args[1].value))
        for folder in ("engine", "stages", "server", "dagrun")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "MissingExtra"
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
    }
    assert {extra for _, extra in named} <= extras, named
