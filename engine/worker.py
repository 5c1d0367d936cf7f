"""The worker process: makes one call that its parent sends, answers, and ends.

The message arrives on standard input, the answer goes to the file descriptor named on the
command line; a further argument there asks for undeclared reads to be refused. Standard input
closing before that means that the parent is gone: then this process ends at once, leaving nothing
half-committed behind.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import traceback
from contextlib import AbstractContextManager, nullcontext

from dagrun.engine.canonical import decode, encode, find_object, to_bytes
from dagrun.engine.checks.undeclared import watch_process
from dagrun.engine.history.records import Listener, WorkerVoice, listening


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _telling() -> AbstractContextManager[None]:
    """Let the parent, which hears the standard streams, hear each line and log record at once."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    voice = WorkerVoice()
    return listening(Listener(lambda: voice))


def main() -> None:
    """Make the call described on standard input."""
    message = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if len(sys.argv) > 2:
        watch_process(sys.argv[2])
    try:
        with _telling() if message["heard"] else nullcontext():
            result = find_object(message["call"])(*decode(message["arguments"]))
        data = to_bytes(encode(result, "the result"))
    except BaseException:  # noqa: BLE001 - whatever it was, the parent has to know that it ended
        # Not by leaving main: the thread that reads standard input would make that an abort.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    with os.fdopen(int(sys.argv[1]), "wb") as answer:
        answer.write(data)
    sys.stdout.flush()
    # Threads of the stage's libraries must not hold up an answered call.
    os._exit(0)


if __name__ == "__main__":
    main()
