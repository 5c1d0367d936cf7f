"""Edits that must keep a stage's code version, and edits that must change it, and where."""

import closure_corner_edits as corners
import pytest
from closure_corners import FILES as CORNERS
from closure_driver import Driver, write_project
from closure_edits import CHANGING, KEEPING
from closure_project import FILES

KEEP = [edit[0] for edit in [*KEEPING, *corners.KEEPING]]
CHANGE = [edit[0] for edit in [*CHANGING, *corners.CHANGING]]
EDITS = {edit[0]: edit for edit in [*KEEPING, *CHANGING, *corners.KEEPING, *corners.CHANGING]}
# The project that an edit is one of, and the name of its unedited code version.
PROJECTS = {"": FILES, "corners": CORNERS}
HOME = {edit[0]: "corners" for edit in [*corners.KEEPING, *corners.CHANGING]}


def edited(project: str, file: str, old: str | None, new: str) -> dict[str, str]:
    files = dict(PROJECTS[project])
    if old is None:
        files[file] = files.get(file, "") + new
    elif old == "":
        files[new] = files.pop(file)
    else:
        assert old in files[file], f"the edit of {file} finds no {old!r}"
        files[file] = files[file].replace(old, new, 1)
    return files


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The code version of `model` as it was ("" and "corners") and after each edit."""
    home = tmp_path_factory.mktemp("projects")
    roots = [write_project(home / f"original-{name}", files) for name, files in PROJECTS.items()]
    for number, (name, file, old, new, *_) in enumerate(EDITS.values()):
        files = edited(HOME.get(name, ""), file, old, new)
        roots.append(write_project(home / f"edit{number}", files))
    with Driver() as driver:
        found = [driver.version_of(root) for root in roots]
    for name, answer in zip([*PROJECTS, *EDITS], found, strict=True):
        assert "error" not in answer, f"{name}: {answer['error']}"
    return dict(zip([*PROJECTS, *EDITS], found, strict=True))


def before(versions: dict, name: str) -> dict:
    return versions[HOME.get(name, "")]


def content(version: dict) -> dict[str, str]:
    return version["symbols"] | version["distributions"]


def changed(was: dict, now: dict) -> set[str]:
    one, other = content(was), content(now)
    return {name for name in one | other if one.get(name) != other.get(name)}


@pytest.mark.parametrize("name", KEEP)
def test_keeps(versions, name):
    # Every edit lies in another folder, so each of these is a moved project, too.
    assert changed(before(versions, name), versions[name]) == set()


@pytest.mark.parametrize("name", CHANGE)
def test_changes_what_was_edited(versions, name):
    assert changed(before(versions, name), versions[name]) == set(EDITS[name][4].split())


@pytest.mark.parametrize("name", [name for name in CHANGE if ":" in EDITS[name][4]])
def test_changed_symbol_has_a_text_that_differs(versions, name):
    for symbol in EDITS[name][4].split():
        was, now = (
            which["texts"].get(symbol) for which in (before(versions, name), versions[name])
        )
        assert was != now


def test_path_says_how_a_symbol_is_reached(versions):
    paths = versions[""]["paths"]
    expected = ["pipeline:model", "helpers:double", "deeper:two_hops", "deeper:BASE"]
    assert paths["deeper:BASE"] == expected
    assert paths["pipeline:model"] == ["pipeline:model"]
    assert all(path[-1] == name for name, path in paths.items())


def test_reached_distributions_only(versions):
    assert versions[""]["distributions"] == {"third-party": "1.0"}


def test_files_are_those_of_the_reached_code(versions):
    files = versions[""]["files"]
    assert {"pipeline.py", "deeper.py", "late.py", "extra.py", "inner.py"} <= set(files)
    assert "machinery.py" not in files


def test_nothing_to_warn_of(versions):
    assert [versions[name]["warnings"] for name in PROJECTS] == [[], []]


def test_the_matrix_has_no_edit_twice():
    assert len(EDITS) == len(KEEP) + len(CHANGE)


def test_digests_do_not_depend_on_the_process(versions, tmp_path):
    with Driver() as driver:
        again = driver.version_of(write_project(tmp_path / "deep" / "er", FILES))
    assert again["symbols"] == versions[""]["symbols"]
    assert again["paths"] == versions[""]["paths"]
