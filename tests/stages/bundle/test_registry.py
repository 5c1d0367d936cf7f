"""The registry: numbers never reused, one bundle one version, every move of an alias kept."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dagrun.engine.context import Context, entered
from dagrun.engine.errors import DamagedBlob, DefinitionError
from dagrun.engine.store.store import Store
from dagrun.stages.bundle import (
    Bundle,
    BundleDamaged,
    NameInvalid,
    NothingToRollBack,
    NotRegistered,
    Registry,
    register,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


def three_versions(registry: Registry, bundle: Bundle) -> None:
    for threshold in (0.1, 0.2, 0.3):
        changed = replace(bundle, threshold=threshold)
        registry.register("flights", changed, alias="champion", reason=f"threshold {threshold}")


def test_the_same_bundle_is_one_version(registry: Registry, bundle, other_bundle) -> None:
    first = registry.register("flights", bundle, reason="first")
    assert registry.register("flights", bundle, reason="again") == first
    second = registry.register("flights", other_bundle)
    assert registry.register("flights", Bundle.from_bytes(bundle.to_bytes())) == first
    assert [version.version for version in registry.versions("flights")] == [1, 2]
    assert (first.bundle, second.bundle) == (bundle.digest, other_bundle.digest)
    assert (first.reason, str(first)) == ("first", "flights@1")
    assert registry.register("delays", bundle).version == 1
    assert registry.models() == ("delays", "flights")


def test_names_resolve_to_versions(registry: Registry, bundle: Bundle) -> None:
    three_versions(registry, bundle)
    registry.set_alias("flights", "challenger", 1, reason="to compare")
    assert [
        registry.resolve(target).version
        for target in ("flights", "flights@champion", "flights@challenger", "flights@2")
    ] == [3, 3, 1, 2]
    assert registry.aliases("flights") == {"challenger": 1, "champion": 3}
    loaded = registry.load(registry.resolve("flights@2"))
    assert (loaded.threshold, loaded.digest) == (0.2, registry.resolve("flights@2").bundle)


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("fligths", "no model 'fligths' is registered. Did you mean 'flights'? There is: flights"),
        ("fligths@2", "no model 'fligths'"),
        ("flights@champoin", "no alias of flights 'champoin' is registered. Did you mean 'champ"),
        ("flights@4", "no version of flights '4' is registered. There is: 1, 2, 3"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(registry, bundle, target, problem) -> None:
    three_versions(registry, bundle)
    with pytest.raises(NotRegistered) as caught:
        registry.resolve(target)
    assert problem in str(caught.value)


def test_an_empty_registry_says_so(registry: Registry) -> None:
    assert registry.models() == ()
    for ask in (registry.resolve, registry.versions, registry.history):
        with pytest.raises(NotRegistered, match=r"There is: \(none\)"):
            ask("flights")


def test_rollbacks_go_further_back_each_time_and_history_keeps_all(registry, bundle) -> None:
    three_versions(registry, bundle)
    assert registry.rollback("flights", reason="worse on Mondays").version == 2
    assert registry.rollback("flights", reason="worse than ever").version == 1
    with pytest.raises(NothingToRollBack):
        registry.rollback("flights", reason="more")
    registry.set_alias("flights", "champion", 3, reason="mended")
    assert registry.rollback("flights", reason="not mended").version == 1
    moves = registry.history("flights")
    assert [move.version for move in moves] == [1, 2, 3, 2, 1, 3, 1]
    assert [move.rollback for move in moves] == [False] * 3 + [True] * 2 + [False, True]
    assert [move.reason for move in moves][2:4] == ["threshold 0.3", "worse on Mondays"]
    assert all(move.by and move.at for move in moves)


def test_an_alias_that_points_there_already_is_not_moved(registry, bundle) -> None:
    for _ in range(2):
        registry.register("flights", bundle, alias="champion", reason="run")
    assert len(registry.history("flights")) == 1


def test_a_rollback_stands_until_something_new_is_published(registry, bundle, caplog) -> None:
    three_versions(registry, bundle)
    third = registry.load(registry.resolve("flights@3"))
    registry.rollback("flights", reason="late drift")
    registry.register("flights", third, alias="champion", reason="another run")
    assert registry.aliases("flights")["champion"] == 2
    assert "flights@champion stays at @2" in caplog.text
    assert "(late drift)" in caplog.text
    assert "dagrun registry promote flights@3 champion" in caplog.text
    second = registry.load(registry.resolve("flights@2"))
    registry.register("flights", second, alias="champion", reason="its code is back")
    assert registry.aliases("flights")["champion"] == 2
    registry.register("flights", third, alias="champion", reason="mended")
    assert registry.aliases("flights")["champion"] == 3
    assert registry.rollback("flights", reason="not mended").version == 2


def test_an_alias_needs_a_version_that_exists(registry: Registry, bundle: Bundle) -> None:
    registry.register("flights", bundle)
    with pytest.raises(NotRegistered, match="no version of flights '7'"):
        registry.set_alias("flights", "champion", 7, reason="")


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a b"])
def test_names_that_cannot_be_are_refused(registry: Registry, bundle: Bundle, name: str) -> None:
    with pytest.raises(NameInvalid):
        registry.register(name, bundle)
    registry.register("flights", bundle)
    with pytest.raises(NameInvalid):
        registry.set_alias("flights", name, 1, reason="")


def test_an_alias_of_digits_would_be_a_version(registry: Registry, bundle: Bundle) -> None:
    registry.register("flights", bundle)
    with pytest.raises(NameInvalid, match="they mean a version"):
        registry.set_alias("flights", "2", 1, reason="")


def test_a_damaged_bundle_is_not_loaded(registry: Registry, store: Store, bundle) -> None:
    version = registry.register("flights", bundle)
    with pytest.raises(BundleDamaged, match=r"flights@1 is 0{12}"):
        registry.load(replace(version, bundle="0" * 64))
    path = store.blobs.path(version.blob)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"_")
    with pytest.raises(DamagedBlob):
        registry.load(version)


def test_registering_a_damaged_bundle_again_heals_it(registry, store, bundle) -> None:
    version = registry.register("flights", bundle)
    store.blobs.path(version.blob).unlink()
    assert registry.register("flights", bundle) == version
    assert registry.load(version).digest == bundle.digest


def test_an_effect_registers_in_the_store_of_its_run(store: Store, bundle: Bundle) -> None:
    with pytest.raises(DefinitionError, match="only inside a running stage"):
        register("flights", bundle)
    context = Context(stage="publish", key="", run_id="7f3a", seed=0, inputs={}, store=store)
    with entered(context):
        version = register("flights", bundle, alias="champion", reason="passed")
    assert version.run_id == "7f3a"
    assert Registry(store).resolve("flights") == version
    assert register("flights", bundle, store=store) == version


def test_two_processes_never_share_a_number(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(bundle.to_bytes())
    code = """
import sys
from dataclasses import replace
from pathlib import Path
from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Registry, read_bundle
root, offset = Path(sys.argv[1]), int(sys.argv[2])
registry, bundle = Registry(Store.open(root)), read_bundle(root / "bundle")
print("ready", flush=True)
sys.stdin.readline()
for n in range(8):
    registry.register("flights", replace(bundle, threshold=(n + offset) / 100))
    registry.register("flights", replace(bundle, threshold=(n + 50) / 100))  # both do this one
"""
    workers = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(tmp_path), offset],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for offset in ("10", "20")
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.communicate("go\n")
        assert worker.returncode == 0
    registry = Registry(store)
    versions = registry.versions("flights")
    assert [version.version for version in versions] == list(range(1, 25))
    thresholds = sorted(registry.load(version).threshold for version in versions)
    assert thresholds == sorted((n + offset) / 100 for n in range(8) for offset in (10, 20, 50))
