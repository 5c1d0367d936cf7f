"""What a pipeline does while it is loaded that no stat can vouch for.

A `Watch` sees, by Python's audit events, the files that loading opens, the folders it lists, and
whether it writes, starts a process or asks the network. `unsteady_calls` finds by syntax what there
is no event for: clocks, random numbers, questions whether a file exists, readers in native code,
printing. It looks at code that runs on import: module and class bodies, decorators, and functions
of the project that these call, by name.

The limits: a clock or a native read that is hidden in an installed package, or called by another
name (`tick = time.time; tick()`), is not seen; what installed packages read is theirs.
"""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dagrun.engine.code.imports import is_installed, note_search
from dagrun.engine.receipts.receipt import MOST_BYTES
from dagrun.engine.receipts.stamps import RESTING_NS, content, rested, stamp

_OUTSIDE = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "sqlite3.connect",
    "subprocess.Popen",
    "urllib.Request",
}
_LISTING = {"os.listdir", "os.scandir"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_OUR_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120

# fmt: off
_CLOCKS = {
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
    "process_time", "now", "utcnow", "today", "localtime", "gmtime", "ctime", "strftime",
}
_CHANCE = {
    "uuid1", "uuid4", "urandom", "token_bytes", "token_hex", "token_urlsafe", "random",
    "randint", "randrange", "randbytes", "getrandbits", "choice", "choices", "shuffle",
    "sample", "uniform", "gauss", "normal", "rand", "randn", "default_rng", "getpid",
}
_QUESTIONS = {
    "getppid", "exists", "lexists", "is_file", "is_dir", "isfile", "isdir", "getmtime",
    "getctime", "getsize", "stat", "lstat", "access", "cwd", "input", "print", "warn",
}
# fmt: on
UNSTEADY = _CLOCKS | _CHANCE | _QUESTIONS
"""Names of functions whose answer is another one each time, or depends on what no stat covers."""
_READERS = ("read_", "scan_")
_SEEN = {"read_text", "read_bytes"}  # Python opens these files itself, so there is an event


class Watch:
    """Watches this process from its making until `stop`.

    Attributes:
        opened: the files that were opened, there or not, with the digest that each had just before
            if it may have been written a moment ago, else "".
        listed: the folders that were listed.
        doubts: what else was done that no stat can vouch for.
    """

    def __init__(self) -> None:
        self.opened: dict[str, str] = {}
        self.listed: set[str] = set()
        self.doubts: dict[str, None] = {}
        self._began = time.time_ns()
        _WATCHES[:] = [self]  # one that never stopped, since its pipeline did not load, is over
        if not _HOOKED:
            _HOOKED.append(True)
            sys.addaudithook(_hear)

    def stop(self) -> None:
        """Hear no more."""
        if self in _WATCHES:
            _WATCHES.remove(self)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of one audit event."""
        if event in _OUTSIDE:
            self.doubts[f"loading does {event}"] = None
            return
        path = arguments[0]
        if path is None:
            path = "."
        if not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        if is_installed(name + os.sep):
            return
        if event == "open":
            flags = arguments[2]
            if isinstance(flags, int) and flags & _WRITING and not _asker().startswith(_OURS):
                self.doubts[f"loading writes {name}"] = None
            if name not in self.opened:
                self.opened[name] = ""  # before it is opened here
                self.opened[name] = _digest(name, self._began)
        elif not (asker := _asker()).startswith(_OURS):
            if asker.startswith(_METADATA):  # it lists a folder to pick what imports note of it
                note_search(name)
            else:
                self.listed.add(name)


_WATCHES: list[Watch] = []
_HOOKED: list[bool] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _WATCHES and (event == "open" or event in _LISTING or event in _OUTSIDE):
        for watch in _WATCHES:
            watch.hear(event, arguments)


def _digest(path: str, began_ns: int) -> str:
    try:
        found = stamp(path)
        if found is None or found[0] > MOST_BYTES or rested(found, began_ns, 2 * RESTING_NS):
            return ""
        return content(path) if os.path.isfile(path) else ""  # noqa: PTH113
    except OSError:
        return ""


def _asker() -> str:
    """Return the file whose code opens or lists, helpers of the standard library passed over."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back:
        frame = frame.f_back
    name = frame.f_code.co_filename
    while name.startswith(_STDLIB_FILES) and frame.f_back:
        frame = frame.f_back
        name = frame.f_code.co_filename
    return name


_STDLIB = f"{os.path.dirname(os.__file__)}{os.sep}"  # noqa: PTH120
_STDLIB_FILES = (f"{_STDLIB}glob.py", f"{_STDLIB}pathlib", f"{_STDLIB}os.py")
_METADATA = f"{_STDLIB}importlib{os.sep}metadata{os.sep}"
_OURS = ("<frozen importlib", _OUR_FOLDER)
"""The import system and dagrun itself, whose questions are answered for elsewhere."""


def unsteady_calls(trees: Sequence[ast.Module]) -> set[str]:
    """Return the names of unsteady functions that the modules may call when they are imported."""
    definitions: dict[str, list[ast.stmt]] = {}
    modules: set[str] = set()
    for tree in trees:
        for definition in _definitions(tree):
            definitions.setdefault(definition.name, []).append(definition)
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules |= {(item.asname or item.name).partition(".")[0] for item in node.names}
    called: set[str] = set()
    entered: set[str] = set()
    waiting: list[Iterable[ast.AST]] = [_on_import(tree) for tree in trees]
    while waiting:
        for name, owner in _calls(waiting.pop()):
            called.add(name)
            # A method of any object may have the name of a function; one of a module is it.
            if name not in entered and (not owner or owner in modules or owner in definitions):
                entered.add(name)
                waiting += [ast.walk(node) for node in definitions.get(name, ())]
    readers = {name for name in called if name.startswith(_READERS)} - _SEEN
    return (called & UNSTEADY) | readers


def _definitions(
    tree: ast.AST,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
        if isinstance(node, ast.stmt) and not isinstance(node, ast.Expr | ast.Assign):
            yield from _definitions(node)


def _on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are evaluated when a module is imported."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = node.args
        parts: list[ast.AST] = [*node.decorator_list, *arguments.defaults]
        parts += filter(None, arguments.kw_defaults)
        for decorator in node.decorator_list:
            yield ast.Call(func=decorator, args=[], keywords=[])
    elif isinstance(node, ast.If) and _asks_for_main(node.test):
        parts = list(node.orelse)
    else:
        yield node
        parts = list(ast.iter_child_nodes(node))
        for decorator in getattr(node, "decorator_list", ()):
            yield ast.Call(func=decorator, args=[], keywords=[])
    for part in parts:
        yield from _on_import(part)


def _asks_for_main(test: ast.expr) -> bool:
    names = [node.id for node in ast.walk(test) if isinstance(node, ast.Name)]
    return isinstance(test, ast.Compare) and names == ["__name__"]


def _calls(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield what is called by name, and whose attribute it is: "" for a name, "?" if unknown."""
    for node in nodes:
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Attribute):
            yield function.attr, getattr(function.value, "id", "?")
        elif isinstance(function, ast.Name):
            yield function.id, ""
