"""Edits that must keep a stage's code version, and edits that must change it, and where."""

import pytest
from closure_driver import Driver, write_project
from closure_edits import CHANGING, KEEPING
from closure_project import FILES

EDITS = {edit[0]: edit for edit in [*KEEPING, *CHANGING]}


def edited(file: str, old: str | None, new: str) -> dict[str, str]:
    files = dict(FILES)
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
    """The code version of `model` as it was ("") and after each edit."""
    home = tmp_path_factory.mktemp("projects")
    roots = [write_project(home / "original", FILES)]
    for number, (_, file, old, new, *_) in enumerate(EDITS.values()):
        roots.append(write_project(home / f"edit{number}", edited(file, old, new)))
    with Driver() as driver:
        found = [driver.version_of(root) for root in roots]
    for answer in found:
        assert "error" not in answer, answer["error"]
    return dict(zip(["", *EDITS], found, strict=True))


def content(version: dict) -> dict[str, str]:
    return version["symbols"] | version["distributions"]


def changed(before: dict, after: dict) -> set[str]:
    one, other = content(before), content(after)
    return {name for name in one | other if one.get(name) != other.get(name)}


@pytest.mark.parametrize("name", [edit[0] for edit in KEEPING])
def test_keeps(versions, name):
    # Every edit lies in another folder, so each of these is a moved project, too.
    assert changed(versions[""], versions[name]) == set()


@pytest.mark.parametrize("name", [edit[0] for edit in CHANGING])
def test_changes_what_was_edited(versions, name):
    assert changed(versions[""], versions[name]) == set(EDITS[name][4].split())


@pytest.mark.parametrize("name", [edit[0] for edit in CHANGING if ":" in edit[4]])
def test_changed_symbol_has_a_text_that_differs(versions, name):
    for symbol in EDITS[name][4].split():
        before, after = (versions[which]["texts"].get(symbol) for which in ("", name))
        assert before != after


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
    assert versions[""]["warnings"] == []


def test_digests_do_not_depend_on_the_process(versions, tmp_path):
    with Driver() as driver:
        again = driver.version_of(write_project(tmp_path / "deep" / "er", FILES))
    assert again["symbols"] == versions[""]["symbols"]
    assert again["paths"] == versions[""]["paths"]
