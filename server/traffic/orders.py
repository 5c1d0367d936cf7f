"""Orders: what is asked of a model's traffic beside its champion, kept in the registry's store.

Guarantee: an order is changed by compare-and-swap in the ref `models/<name>/traffic`, whose
history keeps every order with who gave it, when and why, the judge's own decisions among them.
Nothing heavy is imported. Where it ends: an order says which versions are wanted; whether they
can be served is found out by the workers.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dagrun.engine.errors import DefinitionError, UnknownVersion
from dagrun.engine.store.refs import Ref
from dagrun.engine.store.store import Store
from dagrun.stages.catalog import Catalog

ORDERS_VERSION = 1
STEPS = (0.05, 0.25, 0.5, 1.0)


class OrderInvalid(DefinitionError):
    """What is asked of a model's traffic makes no sense."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a canary must keep to.

    Attributes:
        min_answers: requests of each arm before a step may end; never fewer than 400.
        min_seconds: the least time of a step.
        error_rate: share of its answers that it may fail beyond the champion's share.
        latency_ratio: how many times the champion's median time for a row it may take.
        drift: the greatest population stability index between both arms' margins; 0.1 is often
            called a small change and 0.25 a large one.
    """

    min_answers: int = 500
    min_seconds: float = 60.0
    error_rate: float = 0.01
    latency_ratio: float = 1.5
    drift: float = 0.2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value >= 0:
                raise OrderInvalid(f"{name} is {value!r}; it must be 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A version that gets a growing share of a model's requests until it is the champion.

    Attributes:
        version: the version on trial.
        champion: the version that it is compared with.
        steps: shares of the requests, growing; the last one is 1.
        step: index of the present one.
        policy: what it must keep to.
        salt: decides which keys it gets; a key that it gets at one step it gets at all later ones.
        override: why it is tried although its gates refused it; "" where they did not.
    """

    version: int
    champion: int
    steps: tuple[float, ...] = STEPS
    step: int = 0
    policy: Policy = field(default_factory=Policy)
    salt: str = ""
    override: str = ""

    def __post_init__(self) -> None:
        steps = self.steps
        if not steps or sorted({*steps}) != [*steps] or steps[0] <= 0 or steps[-1] != 1.0:
            shown = ", ".join(f"{100 * step:g}" for step in steps)
            raise OrderInvalid(
                f"the steps of a canary grow from above 0 to 100 %; these are {shown or 'none'}. "
                "Say for example 5,25,50,100"
            )
        if self.version == self.champion:
            raise OrderInvalid(f"@{self.version} is the champion already; name another version")

    @property
    def share(self) -> float:
        """The present share of the requests."""
        return self.steps[self.step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One version of a split, under a name, with its share of the requests (0 to 1)."""

    name: str
    version: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An A/B experiment: fixed shares until it is stopped; the champion gets what is left.

    `override` is as in `Canary`, for any of its arms.
    """

    arms: tuple[Arm, ...]
    salt: str = ""
    override: str = ""

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if not names or len({*names, "champion"}) != len(names) + 1:
            raise OrderInvalid(
                f"the arms of a split need names of their own, other than 'champion'; these are "
                f"{', '.join(names) or 'none'}"
            )
        total = sum(arm.share for arm in self.arms)
        if min(arm.share for arm in self.arms) <= 0 or total > 1 + 1e-9:
            raise OrderInvalid(
                f"the shares of a split are above 0 and at most 100 % together; these are "
                f"{100 * total:g} %"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A version that computes a share of the rows too, answers nobody, and is compared."""

    version: int
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise OrderInvalid(f"a shadow's share is {100 * self.share:g} %; say 1 to 100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All that is asked of one model's traffic; a canary and a split exclude each other."""

    canary: Canary | None = None
    split: Split | None = None
    shadow: Shadow | None = None

    def __post_init__(self) -> None:
        if self.canary and self.split:
            raise OrderInvalid(
                "a canary and a split cannot share one model's requests; stop the one that is "
                "under way first: dagrun traffic stop"
            )

    def to_json(self) -> dict[str, Any]:
        """Return a document that `from_json` reads."""
        return {"version": ORDERS_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Orders:
        """Read a document. Raises `UnknownVersion`."""
        if document["version"] != ORDERS_VERSION:
            raise UnknownVersion("traffic orders", document["version"], ORDERS_VERSION)
        canary, split, shadow = (document[name] for name in ("canary", "split", "shadow"))
        return cls(
            canary=canary
            and Canary(
                **canary | {"steps": tuple(canary["steps"]), "policy": Policy(**canary["policy"])}
            ),
            split=split and Split(**split | {"arms": tuple(Arm(**arm) for arm in split["arms"])}),
            shadow=shadow and Shadow(**shadow),
        )


class OrderBook:
    """The orders of every model of one store."""

    def __init__(self, store: Store) -> None:
        self._refs, self._catalog = store.refs, Catalog(store)

    def read(self, name: str) -> Orders:
        """Return what is asked of a model's traffic; nothing for one that nobody asked about."""
        return _orders(self._refs.read(orders_ref(name)))

    def seen(self, name: str) -> tuple[Orders, Ref | None]:
        """Return the orders with the state of the ref to change them from."""
        ref = self._refs.read(orders_ref(name))
        return _orders(ref), ref

    def history(self, name: str) -> Sequence[tuple[Orders, Ref]]:
        """Return every order there was, oldest first."""
        return [(_orders(ref), ref) for ref in self._refs.history(orders_ref(name))]

    def change(self, name: str, orders: Orders, *, seen: Ref | None, reason: str) -> None:
        """Replace the orders that were `seen`. Raises `RefConflict` if they changed meanwhile."""
        self._refs.update(orders_ref(name), orders.to_json(), expect=seen, reason=reason)

    def start(
        self, name: str, order: Canary | Split | Shadow, *, reason: str, override: str = ""
    ) -> Canary | Split | Shadow:
        """Give an order beside the others, in place of one of its kind; return it as kept.

        Raises `OrderInvalid`, `RefConflict` or `NotRegistered`, and `VersionRefused` for a version
        that its gates refused, which would answer for the champion, without an `override`.
        """
        orders, seen = self.seen(name)
        if not isinstance(order, Shadow):
            arms = order.arms if isinstance(order, Split) else (order,)
            needed = [self._catalog.admit(name, arm.version, override) for arm in arms]
            order = replace(order, salt=secrets.token_hex(8), override=max(needed))
        match order:
            case Canary():
                orders = replace(orders, canary=order)
            case Split():
                orders = replace(orders, split=order)
            case Shadow():
                orders = replace(orders, shadow=order)
        self.change(name, orders, seen=seen, reason=reason)
        return order

    def stop(self, name: str, kind: str, *, reason: str) -> bool:
        """End an order of a kind (`canary`, `split`, `shadow`); false when there is none."""
        orders, seen = self.seen(name)
        if getattr(orders, kind) is None:
            return False
        self.change(name, replace(orders, **{kind: None}), seen=seen, reason=reason)
        return True


def orders_ref(name: str) -> str:
    """Return the name of the ref that keeps a model's orders."""
    return f"models/{name}/traffic"


def _orders(ref: Ref | None) -> Orders:
    return Orders.from_json(ref.value) if ref else Orders()
