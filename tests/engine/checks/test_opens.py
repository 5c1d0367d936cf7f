"""What strace prints, read back."""

from __future__ import annotations

import os

from dagrun.engine.checks.opens import Open, parse_trace

TRACE = r"""
12 openat(AT_FDCWD</home/x>, "a.csv", O_RDONLY|O_CLOEXEC) = 3</home/x/a.csv>
12 openat(AT_FDCWD, "gone", O_RDONLY) = -1 ENOENT (No such file or directory)
13 openat(AT_FDCWD, "b O_TRUNC.csv", O_RDONLY <unfinished ...>
12 open("/new", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 4</new>
13 <... openat resumed>) = 5</home/x/b O_TRUNC.csv>
12 openat2(AT_FDCWD, "c", {flags=O_RDWR|O_CREAT, mode=0644, resolve=0}, 24) = 6</c>
12 openat(AT_FDCWD, "/d", O_RDONLY|O_NONBLOCK|O_DIRECTORY) = 7</d>
12 openat(AT_FDCWD, "\303\274 \"q\".csv", O_RDONLY) = 8</\303\274 "q".csv>
12 creat("/made", 0644) = 9</made>
12 openat(AT_FDCWD, "t", O_RDONLY) = 10</t>(deleted)
12 +++ exited with 0 +++
""".strip()


def test_calls_are_read_with_their_flags() -> None:
    opens = list(parse_trace(iter(TRACE.splitlines(keepends=True))))
    assert [(each.path, each.reads, each.created) for each in opens] == [
        ("/home/x/a.csv", True, False),
        ("/new", False, True),
        ("/home/x/b O_TRUNC.csv", True, False),
        ("/c", True, False),
        ("/d", False, False),
        ('/ü "q".csv', True, False),
        ("/made", False, True),
        ("/t", True, False),
    ]


def test_only_what_can_give_earlier_content_reads() -> None:
    assert Open(path="/x", flags=os.O_RDWR).reads
    for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC, os.O_RDONLY | os.O_DIRECTORY):
        assert not Open(path="/x", flags=flags).reads
