"""Pipelines whose loading asks which distributions there are, as many installed packages do."""

from __future__ import annotations

from importlib.metadata import MetadataPathFinder

from tests_project import ProjectFolder
from tests_receipts import both, inside

PIPELINE = """
    from importlib.metadata import distributions, entry_points
    from dagrun import stage

    PLUGINS = sorted(point.value for point in entry_points(group="tested"))
    OTHERS = [found.version for found in distributions(path=["plugins"])]

    @stage
    def one():
        return PLUGINS + OTHERS
"""


def answered() -> bool:
    MetadataPathFinder().invalidate_caches()  # a process of its own would know nothing yet
    return both("run").answered


def test_what_is_asked_of_distributions_is_noticed(project: ProjectFolder) -> None:
    project.write("pipeline.py", PIPELINE)
    with inside(project.root):
        answered()
        assert answered()
        for name, text in (
            ("plugin-1.dist-info/entry_points.txt", "[tested]\nx = y:z\n"),
            ("plugin-1.dist-info/entry_points.txt", "[tested]\nx = y:other\n"),
            ("plugins/other-2.dist-info/METADATA", "Version: 2\n"),
            ("plugins/other-2.dist-info/METADATA", "Version: 3\n"),
        ):
            project.write(name, text)
            assert not answered()
            assert answered()
