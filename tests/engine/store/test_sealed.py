from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dagrun.engine.store.sealed import claimed, seal, unseal

forms = st.dictionaries(
    st.text(max_size=5).filter(lambda name: name != "check"),
    st.none() | st.integers() | st.text(max_size=5) | st.lists(st.booleans(), max_size=3),
    min_size=1,
    max_size=4,
)


@given(forms)
def test_a_form_comes_back_under_its_domain_only(form: dict[str, object]) -> None:
    line = seal("ref/a", form)
    assert unseal("ref/a", line) == form
    assert unseal("ref/b", line) is None
    assert line.count(b"\n") == 1
    found = json.loads(line)
    del found["check"]
    assert found == form


@given(st.data(), forms)
def test_no_flipped_bit_goes_unnoticed(data: st.DataObject, form: dict[str, object]) -> None:
    line = bytearray(seal("d", form))
    bit = data.draw(st.integers(0, len(line) * 8 - 1))
    line[bit // 8] ^= 1 << bit % 8
    assert unseal("d", bytes(line)) is None


def test_what_bytes_claim_is_told_unverified() -> None:
    assert claimed(b'{"version":7}', "version") == 7
    assert claimed(b"{", "version") is None
    assert claimed(b"[1]", "version") is None
