"""A made-up world of cards, shops and thieves: what happened, all of it from one seed.

Nobody's payments are in it. Sums, hours and habits are drawn from simple distributions; four kinds
of fraud are mixed in, and honest customers who look like them: who travel, and who pay often in one
evening. All chance is NumPy's PCG64 with the seed, so equal seeds give equal worlds under
equal versions of NumPy, which are part of the stages' keys. How often a pattern is found here says
nothing about how often it would be elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

FIRST_DAY = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
DAYS = 212  # January to July
HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR
COUNTRY = 600.0  # kilometres on each side
SHOPS = 4_000
SORTS = ("grocery", "fuel", "restaurant", "clothes", "travel", "electronics", "gift_cards")
EUROS = np.array([32, 45, 28, 60, 240, 180, 75])
SHARES = (0.36, 0.14, 0.22, 0.13, 0.05, 0.07, 0.03)
ONLINE = np.array([0.04, 0.0, 0.05, 0.35, 0.6, 0.4, 0.5])
LONGEST_REPORT = 45
"""Days after which no fraud is reported any more."""

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
PAYMENT = ("card", "at", "shop", "cents", "entry", "fraud")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shops:
    """All shops, an element for each; `lax` ones do not look closely at who pays."""

    sort: Whole
    online: npt.NDArray[np.bool_]
    x: Floats
    y: Floats
    lax: npt.NDArray[np.bool_]

    def around(self, x: float, y: float, reach: float) -> Floats:
        """Return how likely each is visited from a place: by distance, or from anywhere online."""
        near = np.exp(-np.hypot(self.x - x, self.y - y) / reach)
        weight = np.where(self.online, 0.004, near)
        return weight / weight.sum()


def make_shops(seed: int) -> Shops:
    """Return the shops; one in 25 is lax."""
    chance = np.random.default_rng([seed, 0])
    sort = chance.choice(len(SORTS), SHOPS, p=SHARES)
    return Shops(
        sort=sort,
        online=chance.random(SHOPS) < ONLINE[sort],
        x=chance.uniform(0, COUNTRY, SHOPS).round(1),
        y=chance.uniform(0, COUNTRY, SHOPS).round(1),
        lax=chance.random(SHOPS) < 0.04,
    )


def make_cards(seed: int, cards: int) -> pl.DataFrame:
    """Return where customers live since when, and their limit; the bank knows it at `known_at`.

    One in ten moves house, and the bank hears of it up to three weeks later.
    """
    chance = np.random.default_rng([seed, 1])
    rows = []
    for card in range(cards):
        limit = int(chance.choice([1_000, 2_000, 5_000, 10_000], p=[0.35, 0.35, 0.2, 0.1])) * 100
        moves = [FIRST_DAY]
        if chance.random() < 0.1:
            moves.append(FIRST_DAY + dt.timedelta(days=int(chance.integers(20, DAYS - 20))))
        for number, since in enumerate(moves):
            known = since + dt.timedelta(days=int(chance.integers(1, 22)) * number)
            x, y = (round(float(place), 1) for place in chance.uniform(0, COUNTRY, 2))
            rows.append((card, since, known, x, y, limit))
    names = ["card", "since", "known_at", "home_x", "home_y", "limit_cents"]
    return pl.DataFrame(rows, schema=names, orient="row")


def make_payments(seed: int, cards: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return all payments in order of time, and what was later reported of them.

    Six frauds in a hundred are never noticed, and count as honest payments for ever.
    """
    shops = make_shops(seed)
    parts = [
        part
        for (card,), homes in cards.group_by("card", maintain_order=True)
        for part in _life(np.random.default_rng([seed, 2, int(str(card))]), shops, homes)
    ]
    columns = {
        name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(PAYMENT)
    }
    places = np.array([shops.x, shops.y])[:, columns["shop"]]
    made = pl.DataFrame(
        {
            "at": pl.Series(columns["at"]).cast(pl.Datetime("us", "UTC")),
            "card": columns["card"],
            "shop": columns["shop"],
            "sort": np.array(SORTS)[shops.sort[columns["shop"]]],
            "entry": np.array(["chip", "swipe", "online"])[columns["entry"]],
            "cents": columns["cents"],
            "shop_x": places[0],
            "shop_y": places[1],
            "fraud": columns["fraud"].astype(bool),
        }
    )
    is_online = pl.col("entry") == "online"
    made = (
        made.unique(["card", "at"], keep="first", maintain_order=True)
        .with_columns(pl.when(~is_online).then(name).alias(name) for name in ("shop_x", "shop_y"))
        .sort("at", "card")
    )
    return made.drop("fraud"), _reports(np.random.default_rng([seed, 3]), made)


def _reports(chance: np.random.Generator, made: pl.DataFrame) -> pl.DataFrame:
    days = np.minimum(1 + chance.exponential(10, made.height), LONGEST_REPORT)
    noticed = pl.col("fraud") & pl.Series(chance.random(made.height) >= 0.06)
    later = pl.duration(seconds=pl.Series((days * 86_400).astype(np.int64)))
    return made.select(
        "at", "card", fraud=noticed, reported_at=pl.when(noticed).then(pl.col("at") + later)
    )


def _life(
    chance: np.random.Generator, shops: Shops, homes: pl.DataFrame
) -> Iterator[tuple[npt.NDArray[np.int64], ...]]:
    """Yield the payments of one card, in parts: habit, a trip, a spree, fraud."""
    first, last = homes.row(0, named=True), homes.row(-1, named=True)
    start = int(FIRST_DAY.timestamp() * 1e6)
    moved = int(last["since"].timestamp() * 1e6)
    count = int(chance.poisson(chance.gamma(2.0, 0.22) * DAYS)) + 5
    at = start + chance.integers(0, DAYS, count) * DAY + _hours(chance, count, 14.0, 4.0)
    usual = [_usual(chance, shops, home) for home in (first, last)]
    pick = np.minimum(chance.zipf(1.5, count) - 1, 29)
    shop = np.where(at < moved, usual[0][pick], usual[1][pick])
    generous = chance.lognormal(0.0, 0.35)
    yield _paid(chance, shops, first, at, shop, generous, fraud=0)
    for _ in range(chance.poisson(0.7)):
        yield _trip(chance, shops, first, start, generous)
    for _ in range(chance.poisson(2.5)):
        yield _spree(chance, shops, first, start, generous)
    if chance.random() < 0.12:
        yield _theft(chance, shops, first, start)
    if chance.random() < 0.06:
        yield _quiet_theft(chance, shops, first, start)


def _usual(chance: np.random.Generator, shops: Shops, home: dict[str, float]) -> Whole:
    weight = shops.around(home["home_x"], home["home_y"], 15.0)
    return chance.choice(SHOPS, 30, replace=False, p=weight)


def _hours(chance: np.random.Generator, count: int, middle: float, spread: float) -> Whole:
    """Return times of the day in microseconds, around an hour of it."""
    return (np.mod(chance.normal(middle, spread, count), 24.0) * HOUR).astype(np.int64)


def _paid(
    chance: np.random.Generator,
    shops: Shops,
    card: dict[str, float],
    at: Whole,
    shop: Whole,
    scale: Floats | float,
    *,
    fraud: int,
    swiped: float = 0.04,
) -> tuple[npt.NDArray[np.int64], ...]:
    """Return payments as the columns of `PAYMENT`, of what such shops usually take."""
    euros = EUROS[shops.sort[shop]] * chance.lognormal(0.0, 0.6, len(at)) * scale
    cents = np.clip(euros * 100, 50, card["limit_cents"]).astype(np.int64)
    entry = np.where(shops.online[shop], 2, (chance.random(len(at)) < swiped).astype(np.int64))
    same = np.full(len(at), int(card["card"])), np.full(len(at), fraud)
    return same[0], at, shop.astype(np.int64), cents, entry, same[1]


def _trip(
    chance: np.random.Generator, shops: Shops, card: dict[str, float], start: int, scale: float
) -> tuple[npt.NDArray[np.int64], ...]:
    """An honest customer far from home, for some days."""
    x, y = chance.uniform(0, COUNTRY, 2)
    days, count = int(chance.integers(3, 11)), int(chance.integers(5, 25))
    first = start + int(chance.integers(0, DAYS - 12)) * DAY
    at = first + chance.integers(0, days, count) * DAY + _hours(chance, count, 15.0, 4.0)
    shop = chance.choice(SHOPS, count, p=shops.around(x, y, 15.0))
    return _paid(chance, shops, card, at, shop, scale * 1.4, fraud=0)


def _spree(
    chance: np.random.Generator, shops: Shops, card: dict[str, float], start: int, scale: float
) -> tuple[npt.NDArray[np.int64], ...]:
    """An honest customer who pays often in one afternoon, much of it online."""
    count = int(chance.integers(3, 9))
    at = start + int(chance.integers(0, DAYS)) * DAY + int(_hours(chance, 1, 18.0, 4.0)[0])
    moments = at + np.cumsum(chance.exponential(0.4 * HOUR, count)).astype(np.int64)
    wanted = shops.around(card["home_x"], card["home_y"], 15.0) * np.isin(shops.sort, (3, 5, 6))
    shop = chance.choice(SHOPS, count, p=wanted / wanted.sum())
    return _paid(chance, shops, card, moments, shop, scale * 1.3, fraud=0)


def _theft(
    chance: np.random.Generator, shops: Shops, card: dict[str, float], start: int
) -> tuple[npt.NDArray[np.int64], ...]:
    """A stolen number, a cloned card or an emptied account; thieves prefer lax shops."""
    kind = chance.choice(3, p=[0.5, 0.25, 0.25])
    day = start + int(chance.integers(0, DAYS)) * DAY
    careless = np.where(shops.lax, 12.0, 1.0)
    if kind == 0:  # a number that is tried with a small sum, then used while it works
        count = int(chance.integers(4, 11))
        at = day + int(_hours(chance, 1, 23.0, 5.0)[0]) + np.zeros(count, np.int64)
        at += np.cumsum(chance.exponential(0.25 * HOUR, count)).astype(np.int64)
        weight, scale = careless * shops.online * np.isin(shops.sort, (3, 4, 5, 6)), 1.6
        tried = np.where(np.arange(count) == 0, 0.02, scale)
        return _stolen(chance, shops, card, at, weight, tried, 0.0)
    if kind == 1:  # a copy of the card, far away
        count = int(chance.integers(2, 6))
        at = day + _hours(chance, 1, 16.0, 4.0)[0] + np.zeros(count, np.int64)
        at += np.cumsum(chance.exponential(0.8 * HOUR, count)).astype(np.int64)
        x, y = chance.uniform(0, COUNTRY, 2)
        weight = careless * shops.around(x, y, 15.0) * ~shops.online
        return _stolen(chance, shops, card, at, weight, np.full(count, 2.0), 0.7)
    count = int(chance.integers(1, 4))  # an account that is emptied at night
    at = day + _hours(chance, count, 3.0, 1.5)
    weight = careless * shops.online * np.isin(shops.sort, (5, 6))
    return _stolen(chance, shops, card, at, weight, np.full(count, 5.0), 0.0)


def _quiet_theft(
    chance: np.random.Generator, shops: Shops, card: dict[str, float], start: int
) -> tuple[npt.NDArray[np.int64], ...]:
    """A patient thief, who pays now and then what anybody would; only the shops may tell."""
    count = int(chance.integers(2, 6))
    day = start + int(chance.integers(0, DAYS - 20)) * DAY
    at = day + chance.integers(0, 20, count) * DAY + _hours(chance, count, 16.0, 5.0)
    weight = np.where(shops.lax, 25.0, 1.0) * shops.online
    return _stolen(chance, shops, card, at, weight, np.ones(count), 0.0)


def _stolen(
    chance: np.random.Generator,
    shops: Shops,
    card: dict[str, float],
    at: Whole,
    weight: Floats,
    scale: Floats,
    swiped: float,
) -> tuple[npt.NDArray[np.int64], ...]:
    shop = chance.choice(SHOPS, len(at), p=weight / weight.sum())
    return _paid(chance, shops, card, at, shop, scale, fraud=1, swiped=swiped)
