"""Fixtures of the crash tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from crash_publish import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    root = tmp_path / "root"
    root.mkdir()
    return Publisher(root)


@pytest.fixture(scope="session")
def strace() -> None:
    """Skip where system calls cannot be traced."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: system calls cannot be made to fail")
    tried = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "true"], capture_output=True)
    if tried.returncode != 0:
        pytest.skip(f"strace may not trace here: {tried.stderr.decode()[-200:]}")
