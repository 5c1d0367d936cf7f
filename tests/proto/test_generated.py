"""The committed code is what the `.proto` file generates, for every protobuf that is allowed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "proto"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate everything anew, by the compiler installed here."""
    out = tmp_path_factory.mktemp("generated")
    outputs = [f"--{kind}_out={out}" for kind in ("python", "pyi")]
    command = [sys.executable, "-P", "-m", "grpc_tools.protoc", "-I", "dagrun/proto=proto"]
    described = [path.with_suffix(".proto") for path in PROTO.glob("*.binpb")]
    for path in sorted(PROTO.glob("*.proto")):
        asked = outputs
        if path in described:
            asked = [f"--descriptor_set_out={out}/dagrun/proto/{path.stem}.binpb"]
        subprocess.run([*command, *asked, f"dagrun/proto/{path.name}"], cwd=ROOT, check=True)
    return out


def unstamped(text: str) -> str:
    """Return generated code without what differs between versions of the compiler."""
    text = re.sub(r"# Protobuf Python Version: .*", "", text)
    text = re.sub(r"(_runtime_version\.Domain\.PUBLIC),\s*\d+,\s*\d+,\s*\d+,", r"\1,", text)
    return text.replace("_Optional[bool]", "bool")


def test_committed_code_is_current(generated: Path) -> None:
    made = sorted((generated / "dagrun" / "proto").iterdir())
    committed = [path for path in PROTO.iterdir() if "_pb2" in path.name or path.suffix == ".binpb"]
    assert [path.name for path in made] == sorted(path.name for path in committed)
    for path in made:
        if path.suffix == ".binpb":
            assert path.read_bytes() == (PROTO / path.name).read_bytes()
            continue
        assert unstamped(path.read_text()) == unstamped((PROTO / path.name).read_text())


def test_code_runs_on_the_oldest_protobuf_allowed() -> None:
    stamp = re.search(r"Version: (\d+)\.(\d+)", (PROTO / "dagrun_v1_pb2.py").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (allowed,) = (d for d in project["dependencies"] if d.startswith("protobuf"))
    oldest = re.fullmatch(r"protobuf>=(\d+)\.(\d+)(?:\.\d+)?", allowed)
    assert stamp
    assert oldest
    assert tuple(map(int, stamp.groups())) <= tuple(map(int, oldest.groups()))
