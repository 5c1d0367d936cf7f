"""House rules about size, names and words, for every Python file that somebody wrote."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

MOST_FILE_LINES = 300
MOST_FUNCTION_LINES = 60
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools"}
OTHER_WORDS = {
    "task": "stage",
    "flow": "pipeline",
    "job": "run",
    "checksum": "digest",
    "etag": "digest",
    "asset": "artifact",
    "dataset": "artifact",
    "preprocessor": "spec",
    "transformer": "op",
}
MODEL_S_OWN = {"task"}
"""The whole name of what a model answers, everywhere: binary or regression. Never part of one."""
MARKS = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r"\b")


def functions(text: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_are_short(written: dict[Path, str]) -> None:
    sizes = {str(path): len(text.splitlines()) for path, text in written.items()}
    assert {path: size for path, size in sizes.items() if size > MOST_FILE_LINES} == {}


def test_functions_are_short(written: dict[Path, str]) -> None:
    long = [
        f"{path}:{node.lineno} {node.name}() has {node.end_lineno - node.lineno + 1} lines"
        for path, text in written.items()
        for node in functions(text)
        if node.end_lineno and node.end_lineno - node.lineno >= MOST_FUNCTION_LINES
    ]
    assert long == []


def test_modules_say_what_they_guarantee(written: dict[Path, str]) -> None:
    silent = [
        str(path)
        for path, text in written.items()
        if path.parts[0] != "tests" and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_modules_are_named_for_a_noun_or_a_verb(written: dict[Path, str]) -> None:
    words = {path: set(path.stem.split("_")) | set(path.parts[:-1]) for path in written}
    assert [str(path) for path in written if words[path] & EMPTY_NAMES] == []


def test_nothing_is_left_for_later(written: dict[Path, str]) -> None:
    left = [
        f"{path}:{number}"
        for path, text in written.items()
        for number, line in enumerate(text.splitlines(), 1)
        if MARKS.search(line)
    ]
    assert left == []


def defined_names(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of every class, function and parameter that a file defines."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def split_words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_one_word_for_one_thing(written: dict[Path, str], folders: dict[str, str]) -> None:
    wrong = [
        f"{path}:{line} {name}: the house says {OTHER_WORDS[word]!r}, not {word!r}"
        for path, text in written.items()
        if path.parts[0] in folders
        for line, name in defined_names(text)
        if name not in MODEL_S_OWN
        for word in sorted(split_words(name) & OTHER_WORDS.keys())
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("fit_task", {"fit", "task"}), ("DagTask", {"dag", "task"}), ("HTTPJob", {"http", "job"})],
)
def test_names_are_split_into_words(name: str, words: set[str]) -> None:
    assert split_words(name) == words
