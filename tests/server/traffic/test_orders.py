"""Orders: what makes sense, and that their history is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagrun.engine.errors import UnknownVersion
from dagrun.engine.store.refs import RefConflict
from dagrun.engine.store.store import Store
from dagrun.server.traffic.orders import (
    Arm,
    Canary,
    OrderBook,
    OrderInvalid,
    Orders,
    Policy,
    Shadow,
    Split,
)
from dagrun.stages.catalog import version_ref


@pytest.fixture
def book(tmp_path: Path) -> OrderBook:
    """Orders of flights, which has five versions."""
    store = Store.open(tmp_path)
    for number in range(1, 6):
        value = {"bundle": f"{number}" * 64, "blob": "b" * 64, "run": ""}
        store.refs.update(version_ref("flights", number), value, reason="made")
    return OrderBook(store)


def test_there_are_none_at_first(book: OrderBook) -> None:
    assert book.read("flights") == Orders()
    assert book.history("flights") == []
    assert not book.stop("flights", "canary", reason="none")


def test_orders_are_kept_with_their_history(book: OrderBook) -> None:
    policy = Policy(min_seconds=1.5, drift=0.4)
    canary = book.start("flights", Canary(version=4, champion=3, policy=policy), reason="try it")
    shadow = book.start("flights", Shadow(version=5, share=0.5), reason="and watch that")
    assert book.read("flights") == Orders(canary=canary, shadow=shadow)
    assert book.stop("flights", "canary", reason="enough")
    assert book.read("flights") == Orders(shadow=shadow)
    assert [ref.reason for _, ref in book.history("flights")] == [
        "try it",
        "and watch that",
        "enough",
    ]
    assert book.read("other") == Orders()


def test_every_start_divides_keys_anew(book: OrderBook) -> None:
    order = Canary(version=4, champion=3)
    one, other = (book.start("flights", order, reason="again") for _ in range(2))
    assert isinstance(one, Canary)
    assert isinstance(other, Canary)
    assert one.salt != other.salt


def test_a_change_of_what_has_changed_is_refused(book: OrderBook) -> None:
    book.start("flights", Shadow(version=5), reason="first")
    orders, seen = book.seen("flights")
    book.stop("flights", "shadow", reason="meanwhile")
    with pytest.raises(RefConflict):
        book.change("flights", orders, seen=seen, reason="late")


def test_a_canary_and_a_split_exclude_each_other(book: OrderBook) -> None:
    book.start("flights", Canary(version=4, champion=3), reason="try it")
    with pytest.raises(OrderInvalid, match="dagrun traffic stop"):
        book.start("flights", Split(arms=(Arm(name="b", version=5, share=0.5),)), reason="too")


@pytest.mark.parametrize(
    "steps", [(), (0.5,), (0.0, 1.0), (0.5, 0.25, 1.0), (0.5, 0.5, 1.0), (0.5, 1.5), (-0.1, 1.0)]
)
def test_the_steps_grow_to_all(steps: tuple[float, ...]) -> None:
    with pytest.raises(OrderInvalid, match="5,25,50,100"):
        Canary(version=4, champion=3, steps=steps)


def test_the_champion_is_no_canary() -> None:
    with pytest.raises(OrderInvalid, match="@3 is the champion already"):
        Canary(version=3, champion=3)


@pytest.mark.parametrize(
    "arms",
    [
        (),
        (Arm(name="champion", version=4, share=0.5),),
        (Arm(name="b", version=4, share=0.5), Arm(name="b", version=5, share=0.2)),
        (Arm(name="b", version=4, share=0.6), Arm(name="c", version=5, share=0.5)),
        (Arm(name="b", version=4, share=0.0),),
    ],
)
def test_arms_have_names_and_shares_that_can_be(arms: tuple[Arm, ...]) -> None:
    with pytest.raises(OrderInvalid, match=r"split"):
        Split(arms=arms)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01, float("nan")])
def test_a_shadow_has_a_share(share: float) -> None:
    with pytest.raises(OrderInvalid, match="shadow"):
        Shadow(version=5, share=share)


@pytest.mark.parametrize("name", Policy.__slots__)
def test_a_policy_takes_no_negative_numbers(name: str) -> None:
    with pytest.raises(OrderInvalid, match=name):
        Policy(**{name: -1})


def test_orders_of_another_version_are_refused() -> None:
    document = Orders().to_json() | {"version": 99}
    with pytest.raises(UnknownVersion, match="99"):
        Orders.from_json(document)
