"""What a model's orders want served beside its champion, as a part of its route.

Guarantee: the document names every version completely, so that each worker serves the same, and it
changes exactly when the orders or the champion do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dagrun.server.traffic.conductor import CANARY, step_label
from dagrun.server.traffic.orders import OrderBook
from dagrun.stages.catalog import Catalog

Document = dict[str, Any]


def wanted(catalog: Catalog, name: str, champion: int) -> Document | None:
    """Return what to serve beside version `champion` of a model, None when nothing is asked for.

    The document has `salt` and `label`; `others`, by arm a `model` and its `share`; `guarded`,
    whether they answer only what they are granted; `shadow`, a `model` and its `share`, or None.
    Raises `NotRegistered` and what the store raises.
    """
    orders = OrderBook(catalog.store).read(name)
    canary, split, shadow = orders.canary, orders.split, orders.shadow
    if canary and canary.champion != champion:
        canary = None  # The conductor ends it.
    others: Mapping[str, tuple[int, float]] = {}
    salt = label = ""
    if canary:
        others, salt, label = (
            {CANARY: (canary.version, canary.share)},
            canary.salt,
            step_label(canary),
        )
    elif split:
        others = {arm.name: (arm.version, arm.share) for arm in split.arms}
        salt = label = split.salt
    if not others and not shadow:
        return None
    return {
        "salt": salt,
        "label": label,
        "guarded": canary is not None,
        "others": {
            arm: {"model": _model(catalog, name, version), "share": share}
            for arm, (version, share) in others.items()
        },
        "shadow": shadow
        and {"model": _model(catalog, name, shadow.version), "share": shadow.share},
    }


def _model(catalog: Catalog, name: str, version: int) -> Document:
    return {"version": asdict(catalog.version(name, version))}
