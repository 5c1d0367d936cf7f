"""Fixtures of all tests. `tests/support` holds what tests import from each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from tests_project import ProjectFolder

# No timed asserts: a busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """An empty project of its own."""
    folder = ProjectFolder(tmp_path / "project")
    folder.write("pyproject.toml", "[project]\nname = 'p'\n")
    return folder
