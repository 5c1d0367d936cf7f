"""The archive: equal content, equal bytes; anything else is refused."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.bundle.archive import pack, unpack

MEMBERS = st.dictionaries(st.text("abc/.", min_size=1), st.binary(), max_size=5)


@given(members=MEMBERS)
@settings(max_examples=50, deadline=None)
def test_what_is_packed_comes_back_and_order_does_not_matter(members: dict[str, bytes]) -> None:
    packed = pack(members)
    assert unpack(packed) == members
    assert pack(dict(reversed(members.items()))) == packed


def test_members_are_stored_plain_so_that_other_tools_can_look(tmp_path) -> None:
    data = pack({"b": b"2", "a": b"1"})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["a", "b"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_member_named_twice_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(ValueError, match="twice"):
        unpack(buffer.getvalue())


@given(members=MEMBERS, data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_archive_never_gives_other_content(members, data) -> None:
    packed = bytearray(pack(members))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(bytes(packed))
    except ValueError:
        return
    assert set(found.values()) <= set(members.values())


def test_a_compressed_member_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"1")
    with pytest.raises(ValueError, match="compressed"):
        unpack(buffer.getvalue())


@given(members=MEMBERS, data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_shortened_archive_is_refused(members, data) -> None:
    packed = pack(members)
    with pytest.raises(ValueError, match=r"."):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])
