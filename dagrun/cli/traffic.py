"""`dagrun traffic`: ordering canaries, splits and shadows, and what became of them."""

from __future__ import annotations

import re

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.errors import DefinitionError
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
from dagrun.stages.catalog import DEFAULT_ALIAS, Catalog
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import ago
from dagrun.ui.terminal import show

_ARM = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=@?(\d+):(\d+(?:\.\d+)?)%?")


def show_orders(*, name: str, pipeline: str | None, as_json: bool) -> int:
    """Show what is asked of a model's traffic. Raises `NotRegistered`."""
    catalog = _catalog(pipeline)
    champion = catalog.alias(name)
    orders = OrderBook(catalog.store).read(name)
    if as_json:
        show_document({"champion": champion.version, **orders.to_json()})
        return 0
    rest = 1.0 - sum(share for _, _, share in _arms(orders))
    rows = [[DEFAULT_ALIAS, f"@{champion.version}", _percent(rest), ""]]
    rows += [[arm, f"@{version}", _percent(share), ""] for arm, version, share in _arms(orders)]
    if canary := orders.canary:
        steps = ", ".join(_percent(step) for step in canary.steps)
        rows[-1][-1] = f"step {canary.step + 1} of {len(canary.steps)} ({steps})"
    if shadow := orders.shadow:
        text = "of the rows, answers nobody"
        rows.append(["shadow", f"@{shadow.version}", _percent(shadow.share), text])
    for line in aligned(rows):
        show(line)
    return 0


def canary(
    *,
    version: str,
    steps: str,
    min_answers: int,
    min_seconds: float,
    max_errors: float,
    max_slower: float,
    max_drift: float,
    reason: str,
    override: str,
    pipeline: str | None,
) -> int:
    """Order a canary. Raises `NotRegistered`, `OrderInvalid`, `RefConflict`, `VersionRefused`."""
    catalog = _catalog(pipeline)
    wanted = catalog.resolve(_with_version(version))
    order = Canary(
        version=wanted.version,
        champion=catalog.alias(wanted.name).version,
        steps=_steps(steps),
        policy=Policy(
            min_answers=min_answers,
            min_seconds=min_seconds,
            error_rate=max_errors / 100,
            latency_ratio=max_slower,
            drift=max_drift,
        ),
    )
    OrderBook(catalog.store).start(wanted.name, order, reason=reason, override=override)
    show(f"{wanted.name}: canary @{order.version} gets {_percent(order.share)} of the requests")
    return 0


def split(
    *, name: str, arms: tuple[str, ...], reason: str, override: str, pipeline: str | None
) -> int:
    """Order a split. Raises `NotRegistered`, `OrderInvalid`, `RefConflict` or `VersionRefused`."""
    catalog = _catalog(pipeline)
    catalog.alias(name)
    order = Split(arms=tuple(_arm(arm) for arm in arms))
    for arm in order.arms:
        catalog.version(name, arm.version)
    OrderBook(catalog.store).start(name, order, reason=reason, override=override)
    divided = ", ".join(f"{arm.name} @{arm.version} {_percent(arm.share)}" for arm in order.arms)
    show(f"{name}: {divided} of the requests; the champion answers the others")
    return 0


def shadow(*, version: str, share: float, reason: str, pipeline: str | None) -> int:
    """Order a shadow. Raises `NotRegistered` or `RefConflict`."""
    catalog = _catalog(pipeline)
    wanted = catalog.resolve(_with_version(version))
    catalog.alias(wanted.name)
    order = Shadow(version=wanted.version, share=share / 100)
    OrderBook(catalog.store).start(wanted.name, order, reason=reason)
    show(f"{wanted.name}: @{order.version} computes {_percent(order.share)} of the rows along")
    return 0


def stop(*, name: str, kind: str, reason: str, pipeline: str | None) -> int:
    """End an order. Raises `NotRegistered` or `DefinitionError` when there is none."""
    catalog = _catalog(pipeline)
    catalog.alias(name)
    if not OrderBook(catalog.store).stop(name, kind, reason=reason):
        raise DefinitionError(
            f"{name} has no {kind} to stop. See what there is: dagrun traffic show {name}"
        )
    show(f"{name}: the {kind} is stopped")
    return 0


def history(*, name: str, pipeline: str | None, as_json: bool) -> int:
    """List the orders there were. Raises `NotRegistered`."""
    catalog = _catalog(pipeline)
    catalog.alias(name)
    kept = OrderBook(catalog.store).history(name)[::-1]
    if as_json:
        states = [{"at": r.at, "by": r.by, "reason": r.reason, **o.to_json()} for o, r in kept]
        show_document({"orders": states})
        return 0
    rows = [[_brief(orders), f"{ago(ref.at)} by {ref.by}", ref.reason] for orders, ref in kept]
    for line in aligned(rows):
        show(line)
    return 0


def _catalog(pipeline: str | None) -> Catalog:
    return Catalog(open_store(pipeline))


def _with_version(version: str) -> str:
    if "@" not in version:
        raise DefinitionError(f"say which version of {version!r}: {version}@VERSION")
    return version


def _steps(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(step.strip().rstrip("%")) / 100 for step in text.split(","))
    except ValueError:
        raise OrderInvalid(f"{text!r} is no list of shares; say for example 5,25,50,100") from None


def _arm(text: str) -> Arm:
    found = _ARM.fullmatch(text)
    if found is None:
        raise OrderInvalid(
            f"{text!r} is no arm; say its name, version and share in percent: deep=5:20"
        )
    return Arm(name=found[1], version=int(found[2]), share=float(found[3]) / 100)


def _arms(orders: Orders) -> list[tuple[str, int, float]]:
    """Return name, version and share of each arm beside the champion."""
    if canary := orders.canary:
        return [("canary", canary.version, canary.share)]
    return [
        (arm.name, arm.version, arm.share) for arm in (orders.split.arms if orders.split else ())
    ]


def _brief(orders: Orders) -> str:
    found = [f"{arm} @{version} {_percent(share)}" for arm, version, share in _arms(orders)]
    if orders.shadow:
        found.append(f"shadow @{orders.shadow.version}")
    return ", ".join(found) or "champion alone"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
