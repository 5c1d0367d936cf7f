"""Hearing: what stages print and log while they run, told apart by stage.

While a `Recorder` is entered, standard output, standard error and the root logger are shared by
all stages of this process, and each line goes to the log of the stage whose code wrote it, and on
to the terminal. A thread that a stage started is heard as that stage's as long as no other stage
is running here. The limits: native code and child processes that write to the file descriptors
are heard only where a stage has a process of its own; elsewhere they reach the terminal unheard.
"""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, BinaryIO, Concatenate, ParamSpec, Protocol, TextIO, TypeVar, cast

from dagrun.engine.executors.processes import HEARING
from dagrun.engine.history.records import LOG_ONLY, Listener, listening
from dagrun.engine.history.stagelogs import LogFile, Origin, log_path
from dagrun.engine.store.store import Store

P = ParamSpec("P")
R = TypeVar("R")

Above = Callable[[str, str | None], bool]
"""Shows a whole line of `"stdout"` or `"stderr"` above a live display. False: it is not live.

Asked with None in place of a line, it only tells.
"""

LONGEST_LINE = 1 << 16


class Named(Protocol):
    """What is asked of a stage: in which run, and which one."""

    @property
    def run_id(self) -> str:
        """The run."""

    @property
    def stage(self) -> str:
        """The stage."""


class Voice:
    """What one stage says during one attempt: split into lines, kept and passed on."""

    def __init__(self, file: LogFile, recorder: Recorder) -> None:
        self._file, self._recorder = file, recorder
        self._held: dict[str, str] = {}
        self._shown: dict[str, int] = {}
        self._lock = threading.RLock()

    def write(self, stream: Origin, text: str) -> None:
        """Take text as it was printed."""
        with self._lock:
            *lines, rest = (self._held.get(stream, "") + text).split("\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], ""
            for line in lines:
                self._line(stream, line, self._shown.pop(stream, 0))
            self._held[stream] = rest

    def _line(self, stream: Origin, line: str, shown: int) -> None:
        if stream == "stderr" and line.startswith(LOG_ONLY):
            self.note(line.removeprefix(LOG_ONLY))
            return
        # A bar that is redrawn in place is kept as it was last seen.
        self._file.add(stream, line.rstrip("\r").rpartition("\r")[2])
        self._recorder.pass_on(stream, line[shown:])

    def flush(self, stream: Origin) -> None:
        """Show the part of a line that is there, if the terminal takes parts."""
        with self._lock:
            rest, shown = self._held.get(stream, ""), self._shown.get(stream, 0)
            if not rest.startswith(LOG_ONLY) and self._recorder.pass_part(stream, rest[shown:]):
                self._shown[stream] = len(rest)

    def note(self, text: str) -> None:
        """Keep a line that is not for the terminal."""
        self._file.add("log", text)

    def close(self) -> None:
        """End the last lines."""
        for stream, rest in list(self._held.items()):
            if rest:
                self.write(cast(Origin, stream), "\n")
        self._file.close()


class Recorder:
    """Hears the stages of one run; a context manager around it.

    `above` shows lines above a live display, which would be spoilt by writing to the terminal.
    """

    def __init__(self, store: Store, run_id: str, above: Above | None = None) -> None:
        self._store, self._run_id = store, run_id
        self._above = above or (lambda _stream, _line: False)
        self._voices: list[Voice] = []
        self._below: dict[str, TextIO] = {}
        self._owner = threading.get_ident()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Recorder:
        self._below = {"stdout": sys.stdout, "stderr": sys.stderr}
        out, err = (Shared(name, below, self) for name, below in self._below.items())
        self._stack.enter_context(contextlib.redirect_stdout(out))
        self._stack.enter_context(contextlib.redirect_stderr(err))
        self._stack.enter_context(listening(Listener(self.voice), (out, err)))
        RECORDERS[self._run_id] = self
        token = HEARING.set(self._hear_worker)
        self._stack.callback(HEARING.reset, token)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        del RECORDERS[self._run_id]
        self._stack.close()

    @contextlib.contextmanager
    def hearing(self, stage: str) -> Iterator[Voice]:
        """Hear what the block says as the stage's."""
        voice = Voice(LogFile(log_path(self._store, self._run_id, stage)), self)
        self._voices.append(voice)
        token = _VOICE.set(voice)
        try:
            yield voice
        finally:
            _VOICE.reset(token)
            self._voices.remove(voice)
            voice.close()

    @contextlib.contextmanager
    def _hear_worker(self, request: Named, *_: object) -> Iterator[Callable[[Origin, str], None]]:
        with self.hearing(request.stage) as voice:
            yield voice.write

    def voice(self) -> Voice | None:
        """Return the voice of the stage whose code is running; None if it is nobody's."""
        voice = _VOICE.get()
        if voice is not None and voice in self._voices:
            return voice
        alone = len(self._voices) == 1 and threading.get_ident() != self._owner
        return self._voices[0] if alone else None

    def pass_on(self, stream: str, line: str) -> None:
        """Show a whole line on the terminal."""
        if not self._above(stream, line):
            below = self._below[stream]
            below.write(line + "\n")
            below.flush()

    def pass_part(self, stream: str, part: str) -> bool:
        """Show a part of a line at once; False where only whole lines can be shown."""
        if not part or self._above(stream, None):
            return False
        self._below[stream].write(part)
        self._below[stream].flush()
        return True


_VOICE: ContextVar[Voice | None] = ContextVar("dagrun.voice", default=None)
RECORDERS: dict[str, Recorder] = {}
"""The recorders of the runs that are going on in this process, by run id."""


def heard(
    call: Callable[Concatenate[Any, P], R],
) -> Callable[Concatenate[Any, P], R]:
    """Let a function of a request hear what is said while it runs as the stage's."""

    @functools.wraps(call)
    def wrapper(request: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        recorder = RECORDERS.get(request.run_id)
        if recorder is None:
            return call(request, *args, **kwargs)
        with recorder.hearing(request.stage):
            return call(request, *args, **kwargs)

    return wrapper


class Shared(io.TextIOBase):
    """A standard stream that gives each stage its own; what is nobody's goes straight below."""

    def __init__(self, name: str, below: TextIO, recorder: Recorder) -> None:
        self._name, self._below, self._recorder = cast(Origin, name), below, recorder

    def replaces(self, stream: object) -> bool:
        """Whether a stream is the one below, or was put above it in an earlier run."""
        earlier = isinstance(stream, Shared) and stream._name == self._name
        return earlier or stream is self._below

    def write(self, text: str, /) -> int:
        """Hear the text, or pass it on."""
        voice = self._recorder.voice()
        if voice is None:
            return self._below.write(text)
        voice.write(self._name, text)
        return len(text)

    def flush(self) -> None:
        """Flush the stage's line, or the stream below."""
        voice = self._recorder.voice()
        if voice is None:
            self._below.flush()
        else:
            voice.flush(self._name)

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """Whether the stream below is a terminal."""
        return self._below.isatty()

    def fileno(self) -> int:
        """The file descriptor below, for child processes; what they write is not heard."""
        return self._below.fileno()

    def close(self) -> None:
        """Do nothing: the stream below is not ours."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding below."""
        return self._below.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What is done below about characters that cannot be encoded."""
        return self._below.errors

    @property
    def buffer(self) -> BinaryIO:
        """A stream of bytes that are heard as text."""
        return cast(BinaryIO, _Bytes(self))


class _Bytes(io.BufferedIOBase):
    """The bytes' side of a shared stream."""

    def __init__(self, text: Shared) -> None:
        self._text = text

    def write(self, data: Any, /) -> int:
        self._text.write(bytes(data).decode(self._text.encoding or "utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        self._text.flush()

    def writable(self) -> bool:
        return True
