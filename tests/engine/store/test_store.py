from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.engine.canonical import digest, digest_bytes, to_bytes
from dagrun.engine.errors import DamagedBlob, UnknownVersion
from dagrun.engine.store.durable import StoreUnusable
from dagrun.engine.store.entries import Entry, parse_entry
from dagrun.engine.store.locks import held
from dagrun.engine.store.refs import RefConflict
from dagrun.engine.store.store import Store

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def commit(store: Store, entry: Entry, *, force: bool = False, **texts: str) -> Entry:
    with store.lock(entry.key) as claim:
        return store.commit(claim, entry, texts, force=force)


def entry_of(store: Store, value: object, key: str = KEY) -> Entry:
    return Entry(key=key, stage="s", preimage={"params": {}}, outputs={"s": store.dump(value)})


@pytest.mark.parametrize(
    "value", [3, "text", {"a": [1.5, None]}, b"bytes", pl.DataFrame({"x": [1]})]
)
def test_what_was_committed_is_found_and_loaded(store: Store, value: object) -> None:
    large = "x = 1\n" * 1000
    commit(store, entry_of(store, value), small="def f(): ...", large=large)
    found = Store.open(store.folder.parent).find(KEY)
    assert found is not None
    loaded = store.load(found.outputs["s"])
    assert loaded.equals(value) if isinstance(value, pl.DataFrame) else loaded == value
    assert store.text(found, "small") == "def f(): ..."
    assert store.text(found, "large") == large
    assert store.text(found, "other") is None
    assert set(found.texts) == {"large"}
    assert [*store.temporary.iterdir(), *store.locks.iterdir()] == []


def test_small_documents_live_in_their_entry_and_large_ones_in_blobs(store: Store) -> None:
    assert store.dump({"a": 1}).blob is None
    large = store.dump({"a": "x" * 10_000})
    assert large.blob is not None
    assert store.load(large) == {"a": "x" * 10_000}
    assert store.load(large, dict) == {"a": "x" * 10_000}


def test_the_same_content_is_stored_once(store: Store) -> None:
    frame = pl.DataFrame({"x": range(1000)})
    one, other = store.dump(frame), store.dump(pl.concat([frame[:400], frame[400:]]))
    assert (one.blob, one.logical) == (other.blob, other.logical)


def test_a_damaged_blob_is_never_loaded_and_heals_as_a_miss(store: Store) -> None:
    commit(store, entry_of(store, pl.DataFrame({"x": range(1000)})))
    output = store.find(KEY).outputs["s"]
    path = store.blobs.path(output.blob)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(DamagedBlob, match=output.blob[:12]):
        store.load(output)
    assert store.find(KEY) is None
    store.dump(pl.DataFrame({"x": range(1000)}))
    assert store.load(store.find(KEY).outputs["s"]).height == 1000


def test_a_truncated_or_missing_blob_is_a_miss(store: Store) -> None:
    commit(store, entry_of(store, pl.DataFrame({"x": range(1000)})))
    path = store.blobs.path(store.find(KEY).outputs["s"].blob)
    path.chmod(0o644)
    os.truncate(path, 10)
    assert store.find(KEY) is None
    path.unlink()
    assert store.find(KEY) is None


@given(st.data())
@settings(max_examples=200)
def test_no_flipped_bit_in_an_entry_goes_unnoticed(data: st.DataObject) -> None:
    entry = Entry(key=KEY, stage="s", preimage={"params": {"a": 1}}, outputs={}, seconds=0.25)
    good = entry.to_bytes()
    assert parse_entry(good, KEY) == entry
    bad = bytearray(good)
    position = data.draw(st.integers(0, len(good) - 2))
    bad[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert parse_entry(bytes(bad), KEY) in (None, entry)
    except UnknownVersion:
        assert b'"version":2' not in bad


def test_an_entry_of_the_version_before_is_read(store: Store) -> None:
    """As dagrun wrote it when every source text was a blob."""
    entry = Entry(key=KEY, stage="s", preimage={}, outputs={}, texts={"m:f": "ab" * 32})
    form = json.loads(entry.to_bytes())["entry"]
    del form["inline_texts"]
    body, check = to_bytes(form), digest("entry", form).encode()
    data = b'{"check":"%b","entry":%b,"version":1}\n' % (check, body)
    assert parse_entry(data, KEY) == entry
    for other in (b"2", b"3"):
        assert parse_entry(data[:-3] + other + data[-2:], KEY) is None


def test_an_entry_of_another_key_is_not_taken(store: Store) -> None:
    commit(store, entry_of(store, 1))
    other = "cd" * 32
    path = store.entries.path(other)
    path.parent.mkdir(parents=True)
    path.write_bytes(store.entries.path(KEY).read_bytes())
    assert store.find(other) is None


def test_an_intact_entry_is_kept_unless_forced_and_the_old_one_stays(store: Store) -> None:
    first = commit(store, entry_of(store, 1))
    assert commit(store, entry_of(store, 2)) == first
    commit(store, entry_of(store, 2), force=True)
    assert store.load(store.find(KEY).outputs["s"]) == 2
    olds = list(store.entries.path(KEY).parent.glob("*.old"))
    assert len(olds) == 1
    assert list(store.entries.keys()) == [KEY]


def test_another_format_is_a_typed_error(store: Store) -> None:
    (store.folder / "format.json").write_text(json.dumps({"version": 99}))
    with pytest.raises(UnknownVersion, match="format version 99"):
        Store.open(store.folder.parent)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / ".dagrun").write_text("in the way")
    with pytest.raises(StoreUnusable, match="the store cannot use"):
        Store.open(tmp_path)


def test_abandoned_temporary_files_are_removed_and_live_ones_kept(store: Store) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = store.blobs.new_file()
    mine.write_bytes(b"mine")
    host = mine.name.split("-")[0]
    (store.temporary / f"{host}-{dead.pid}-0").write_bytes(b"dead")
    Store.open(store.folder.parent)
    assert list(store.temporary.iterdir()) == [mine]


def test_a_lock_is_held_by_one_thread_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with held(tmp_path, "name"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not list(tmp_path.iterdir())


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from dagrun.engine.store.locks import held\n"
        "with held(pathlib.Path(sys.argv[1]), 'k'):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
        with held(tmp_path, "k"):
            pass


def test_what_is_published_under_a_lock_is_found_by_whoever_waited_for_it(store: Store) -> None:
    """The lock's file becomes the entry, so they wait for a file that is there no more."""
    found: list[Entry | None] = []

    def wait() -> None:
        with store.lock(KEY):
            found.append(store.use(KEY))

    threads = [threading.Thread(target=wait) for _ in range(6)]
    with store.lock(KEY) as claim:
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        entry = store.commit(claim, entry_of(store, 1), {})
        lock = store.locks / KEY
        lock.write_bytes(b"of the next one, who has it already")
    for thread in threads:
        thread.join()
    assert found == [entry] * 6
    assert not list(store.locks.iterdir())
    assert Store.open(store.folder.parent).find(KEY) == entry


def test_a_part_that_a_killed_holder_wrote_is_not_published(store: Store) -> None:
    (store.locks / KEY).write_bytes(b"x" * 100_000)
    entry = commit(store, entry_of(store, 1))
    assert store.find(KEY) == entry
    (store.locks / KEY).write_bytes(b"x" * 100_000)
    Store.open(store.folder.parent)
    assert not list(store.locks.iterdir())


def test_refs_keep_history_and_compare_and_swap(store: Store) -> None:
    first = store.refs.update("models/flights/champion", 1, expect=None, reason="first")
    second = store.refs.update("models/flights/champion", 2, expect=first, reason="better")
    assert store.refs.read("models/flights/champion") == second
    assert [ref.value for ref in store.refs.history("models/flights/champion")] == [1, 2]
    with pytest.raises(RefConflict, match="expected absent and is at state 2"):
        store.refs.update("models/flights/champion", 3, expect=None, reason="late")
    assert store.refs.names("models/") == ("models/flights/champion",)
    assert store.refs.read("nobody") is None


@pytest.mark.parametrize("name", ["", "../up", "a//b", "/root", "a b", ".hidden"])
def test_names_that_could_leave_the_folder_are_refused(store: Store, name: str) -> None:
    with pytest.raises(Exception, match="cannot name a ref"):
        store.refs.update(name, 1, reason="no")


COUNT = """
import sys, pathlib
from dagrun.engine.store.store import Store
from dagrun.engine.store.refs import RefConflict
store = Store.open(pathlib.Path(sys.argv[1]))
for _ in range(15):
    while True:
        present = store.refs.read("counter")
        try:
            value = present.value + 1 if present else 1
            store.refs.update("counter", value, expect=present, reason="count")
            break
        except RefConflict:
            continue
"""


def test_no_update_is_lost_between_processes(tmp_path: Path) -> None:
    Store.open(tmp_path)
    workers = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    history = Store.open(tmp_path).refs.history("counter")
    assert [ref.value for ref in history] == list(range(1, 46))


def test_blobs_are_named_by_their_content(store: Store) -> None:
    assert store.blobs.put_bytes(b"abc") == digest_bytes(b"abc")
    assert store.blobs.read(digest_bytes(b"abc")) == b"abc"
    with pytest.raises(DamagedBlob, match="missing"):
        store.blobs.read(digest_bytes(b"absent"))
