"""Whatever is changed at random, the receipt says what the full command says, or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests_receipts import both, inside, write_project

EXAMPLES = 400 if os.environ.get("DAGRUN_SOAK") else 10
COMMANDS = [
    ("run",),
    ("run", "pipeline.py", "--json"),
    ("run", "-p", "split.at=2"),
    ("run", "-t", "document", "-j", "1"),
    ("plan",),
    ("plan", "--json"),
]


def rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Write other content of the same size in place and set the times back."""

    def change(root: Path) -> None:
        path = root / name
        if path.is_file():
            before = path.stat()
            text = path.read_text()
            swapped = text.replace(old, new) if old in text else text.replace(new, old)
            path.write_text(swapped)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def put(name: str, text: str) -> Callable[[Path], None]:
    """Write a file, or remove it if it is there."""

    def change(root: Path) -> None:
        path = root / name
        if path.exists():
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return change


def replace_by_copy(name: str) -> Callable[[Path], None]:
    """Put an equal file in its place, as many editors do."""

    def change(root: Path) -> None:
        path = root / name
        if path.is_file():
            copy = path.with_name("copied.tmp")
            copy.write_bytes(path.read_bytes())
            copy.replace(path)

    return change


def in_store(pattern: str, act: Callable[[Path], None]) -> Callable[[Path], None]:
    """Do something to the first file of the store that matches."""

    def change(root: Path) -> None:
        for path in sorted((root / ".dagrun").glob(pattern))[:1]:
            act(path)

    return change


def flip(path: Path) -> None:
    before, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


def set_mode(_root: Path) -> None:
    if os.environ.pop("TESTED_MODE", None) is None:
        os.environ["TESTED_MODE"] = "other"


CHANGES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda root: None,
    "a constant": rewrite("helper.py", "2", "3"),
    "a function": rewrite("package/inner.py", "10", "20"),
    "a default": rewrite("pipeline.py", "at: int = 1", "at: int = 2"),
    "a comment": rewrite("pipeline.py", "# one", "# two"),
    "a file read on import": rewrite("settings.json", "1", "2"),
    "an input": rewrite("data/a.txt", "one", "six"),
    "an equal module": replace_by_copy("helper.py"),
    "an equal input": replace_by_copy("data/b.txt"),
    "a touched module": lambda root: os.utime(root / "pipeline.py"),
    "a new input": put("data/c.txt", "four"),
    "an input gone": put("data/b.txt", "three"),
    "a module gone": put("helper.py", "FACTOR = 4\n"),
    "a module that was not there": put("extra.py", "BONUS = 5\n"),
    "a package that shadows a module": put("helper/__init__.py", "FACTOR = 6\n"),
    "a package that shadows the standard library": put("json.py", "from _json import nothing\n"),
    "a module in a package": put("package/more.py", "MORE = 1\n"),
    "something else": put("notes.md", "nothing to do with it"),
    "another pipeline": put("pyproject.toml", '[tool.dagrun]\npipeline = "other.py"\n'),
    "the environment": set_mode,
    "an entry gone": in_store("entries/*/*.json", Path.unlink),
    "an entry damaged": in_store("entries/*/*.json", flip),
    "a blob gone": in_store("blobs/*/*", Path.unlink),
    "a blob cut": in_store("blobs/*/*", truncate),
    "the receipt damaged": in_store("receipts/*", flip),
    "the receipt cut": in_store("receipts/*", truncate),
    "the statistics gone": in_store("stats.json", Path.unlink),
    "the format": rewrite(".dagrun/format.json", "1", "9"),
}


@settings(max_examples=EXAMPLES)
@given(
    st.sampled_from(COMMANDS),
    st.lists(st.sampled_from(list(CHANGES)), min_size=2, max_size=7),
)
@example(("run",), list(CHANGES))
@example(("plan", "--json"), list(CHANGES)[-2::-1])
def test_the_receipt_says_what_the_full_command_says(
    words: tuple[str, ...], changes: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        write_project(root)
        with inside(root):
            try:
                both(*words)
                for change in changes:
                    CHANGES[change](root)
                    both(*words)
                    again = both(*words)
                    # A plan of what is to be run has none; a run has done it.
                    assert again.answered or again.full.code or words[0] == "plan", change
            finally:
                os.environ.pop("TESTED_MODE", None)
