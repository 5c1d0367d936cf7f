"""Scratch environments: one for each tool that is compared, from a lock file of pinned versions.

An environment is kept until its lock file changes. dagrun's own holds a copy of this tree,
installed anew for every session.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from session import ROOT

PEERS = ROOT / "build" / "peers"


def prepare(peer: str, scratch: Path) -> Path:
    """Make a peer's environment, or keep the one there is; return its folder of programs."""
    home = PEERS / peer
    own = peer == "dagrun"
    lock = ROOT / ("requirements.lock" if own else f"benchmarks/peers/{peer}.lock")
    stamp = home / hashlib.sha256(lock.read_bytes()).hexdigest()
    pip = [str(home / "bin" / "pip"), "--quiet", "--disable-pip-version-check", "install"]
    if not stamp.exists():
        print(f"  setting up {home.relative_to(ROOT)} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(lock)], check=True)
        stamp.touch()
    if own:
        install_tree(home / "bin", scratch)
    return home / "bin"


def install_tree(programs: Path, scratch: Path) -> None:
    """Install a copy of this tree, without what it needs, by the pip among `programs`."""
    copy = scratch / "tree"
    shutil.rmtree(copy, ignore_errors=True)
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("dagrun", "engine", "stages", "server", "proto"):
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    pip = [str(programs / "pip"), "--quiet", "--disable-pip-version-check", "install"]
    again = ["--no-deps", "--no-build-isolation", "--force-reinstall", str(copy)]
    subprocess.run([*pip, *again], check=True)
