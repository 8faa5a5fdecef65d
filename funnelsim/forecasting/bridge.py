"""What changed since the last forecast, in parts that add up exactly.

Between two forecasts of one period every deal has one reason: it is new, won, lost, moved, or stood still
while time passed. Of those still open, what the amount and the newly fitted rates did is told apart, fairly
over all orders (Shapley 1953, doi:10.1515/9781400881970-018).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.intensity import draws_of, intensities
from funnelsim.forecasting.ledger import Kept, kept_periods
from funnelsim.forecasting.periods import Period, days_of
from funnelsim.forecasting.situation import INSTANT, Situation, carried_on
from funnelsim.history.log import DAY, History, among, shows_amounts
from funnelsim.model.model import Draws, Model, OpenDeals, amounts
from funnelsim.show import words

NEW, COMING = "new leads", "leads to come, days over"
WON, EARLY, LOST = "won", "won before the period", "lost"
MOVED, BACK, SLIPPED, PULLED, STOOD = "moved on", "moved back", "slipped", "pulled in", "time passed"
AMOUNTS, RATES, GONE, EDITED = "amounts", "rates and intake", "no longer on record", "wins entered late"
ORDER = (NEW, WON, EARLY, MOVED, PULLED, SLIPPED, BACK, STOOD, COMING, LOST, AMOUNTS, RATES, GONE, EDITED)
LARGE = 1000.0  # from here on parts are shown without decimals
MOST_NAMED = 3  # parts, or deals, that a sentence names
AT_DAY = "What single deals bring is not told apart, as prices change with the day of signing."


@dataclass(frozen=True)
class Bridge:
    """From one expected revenue to another, in parts that add up to the difference.

    Args:
        before, after: expected revenue (of a past period: what came), then and now.
        period: that it is of.
        earlier: the day of the earlier forecast, or the name of the past period.
        as_of: the moment up to which all is known now.
        parts: part, deals (how many), change (money); changes add up to after - before exactly.
        currency: three letters, "wins", or nothing.
        than: whether it is told from a past period, not from an earlier forecast.
        deals: of deals with a change: lead, part, stage, then, now, change, largest first.
        notes: what could not be told apart.
    """

    before: float
    after: float
    period: str
    earlier: str
    as_of: pd.Timestamp
    parts: pd.DataFrame
    currency: str
    than: bool = False
    deals: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()

    @property
    def change(self) -> float:
        """The whole difference."""
        return self.after - self.before

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Rows as people see them: part, deals, change, level; rounded so that shown parts still add up."""
        unit = 1.0 if max(abs(self.before), abs(self.after)) >= LARGE else 0.01
        levels = self.before + np.concatenate([[0.0], np.cumsum(self.parts["change"])])
        levels[-1] = self.after
        whole = np.round(levels / unit) * unit
        ends = [f"forecast of {self.earlier}", f"forecast of {self.as_of - INSTANT:%Y-%m-%d}"]
        ends = [self.earlier, f"{self.period}, expected"] if self.than else ends
        return pd.DataFrame(
            {
                "part": [ends[0], *self.parts["part"], ends[1]],
                "deals": [np.nan, *self.parts["deals"], np.nan],
                "change": [np.nan, *np.round(np.diff(whole), 2), np.nan],
                "level": np.round([*whole, whole[-1]], 2),
            }
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What changed, and which parts and deals did most."""
        if self.change == 0 and not (self.parts["change"] != 0).any():
            return (f"{self._expected()}, the same as {self._told()}: nothing changed.",)
        sized = self.parts.loc[self.parts["change"].abs().sort_values(ascending=False, kind="stable").index]
        most = [row for row in sized.head(MOST_NAMED).to_dict("records") if row["change"] != 0]
        named = ", ".join(f"{row['part']} {self._money(row['change'])}" for row in most)
        side = "more" if self.change > 0 else "less"
        gap = words.amount(abs(self.change), self.currency)
        told = [f"{self._expected()}, {gap} {side} than {self._told()}: most by {named}."]
        if len(self.deals):
            top = self.deals.head(MOST_NAMED).to_dict("records")
            names = ", ".join(f"{row['lead']} ({row['part']}, {self._money(row['change'])})" for row in top)
            told.append(f"Deals that moved it most: {names}.")
        return tuple(told)

    def _expected(self) -> str:
        return f"{words.amount(self.after, self.currency)} expected in {self.period}"

    def _told(self) -> str:
        return f"in {self.earlier}" if self.than else f"on {self.earlier}"

    def _money(self, value: float) -> str:
        return words.amount(value, self.currency, sign=True)

    def __str__(self) -> str:
        return self.sentences[0]

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.frame)


def earlier_place(place: Situation, since: pd.Timestamp, fit: Callable[[History], Situation]) -> Situation:
    """Return where the company stood at an earlier moment, as its history was known then.

    Args:
        place: where it stands now.
        since: that moment.
        fit: fits a history for the same periods.

    Raises:
        FunnelError: it is not earlier, or the history was read in parts.
    """
    if place.history is None:
        raise FunnelError(f"{place.name}: its past is not held, so only a record tells what was said before")
    if since >= place.model.as_of:
        raise FunnelError(
            f"since {since - INSTANT:%Y-%m-%d}: is not before {place.model.as_of - INSTANT:%Y-%m-%d}"
        )
    return fit(place.history.as_of(since))


def as_kept(place: Situation, found: Forecast, draws: int, seed: int) -> Kept:
    """Return a forecast as if it had been kept."""
    closes = pd.DatetimeIndex([pd.NaT] * len(place.deals))
    if place.history is not None:
        closes = _closes(place.history, place.deals)
    return Kept(
        0, place.model.as_of, place.kind, "", place.model, place.deals, closes, draws, seed, found.engine,
        found.with_total[0],
    )  # fmt: skip


def _closes(history: History, deals: OpenDeals) -> pd.DatetimeIndex:
    known = history.open.set_index("lead")["expected_close"]
    return pd.DatetimeIndex(known.reindex(deals.name))


def bridge_between(then: Kept, place: Situation, found: Forecast, *, draws: int, seed: int) -> Bridge:
    """Return what changed between a kept forecast and today's of the same period.

    Args:
        then: the earlier forecast.
        place, found: where the company stands now, and its forecast.
        draws, seed: of the present rates.

    Raises:
        FunnelError: the earlier forecast is of no period that is forecast now, or counts other money.
    """
    period = _common_period(then, place)
    said = {moment: origins_of(frame, period) for moment, frame in ((0, then.numbers), (1, found.periods))}
    if then.model.values.in_money != place.model.values.in_money:
        raise FunnelError("bridge: one of the two forecasts is in money and the other in wins")
    head = (said[0]["total"], said[1]["total"], period.label, f"{then.as_of - INSTANT:%Y-%m-%d}")
    dated = bool(then.model.values.signing or place.model.values.signing)
    lived = "exact" not in (then.engine, found.engine) or then.engine != found.engine
    if lived or dated or place.history is None:
        rows = [(origin, 0, said[1][key] - said[0][key]) for key, origin in ORIGINS.items()]
        note = "Chances of single deals are not known, as lives were simulated or the file was read in parts."
        return _made(head, place, found, rows, pd.DataFrame(), (AT_DAY if dated else note,))
    told = _Two(then, place, period, draws, seed)
    deals = pd.concat([told.open_then(), told.new_now()], ignore_index=True)
    rows = _rows(told, deals, said)
    moved = deals[deals["change"] != 0]
    moved = moved.loc[moved["change"].abs().sort_values(ascending=False, kind="stable").index]
    return _made(head, place, found, rows, moved.reset_index(drop=True), told.notes)


ORIGINS = {"booked": "booked", "open": "open deals", "new": "leads to come"}


def _made(
    head: tuple[float, float, str, str],
    place: Situation,
    found: Forecast,
    rows: Sequence[tuple[str, int, float]],
    deals: pd.DataFrame,
    notes: tuple[str, ...],
) -> Bridge:
    before, after, period, earlier = head
    parts = pd.DataFrame(rows, columns=["part", "deals", "change"])
    return Bridge(
        before, after, period, earlier, place.model.as_of, summed(parts, before, after), found.currency,
        deals=deals, notes=notes,
    )  # fmt: skip


def summed(parts: pd.DataFrame, before: float, after: float) -> pd.DataFrame:
    """Return parts whose exact sum is the difference, to the last bit that two such amounts have.

    What rounding leaves goes to the smallest part that is not 0, as its bits are the finest.

    >>> made = summed(pd.DataFrame({"part": ["a", "b"], "change": [0.1, 0.2]}), 0.0, 0.3)
    >>> math.fsum(made["change"]) == 0.3
    True
    """
    change = parts["change"].to_numpy(dtype=np.float64, copy=True)
    rest = math.fsum([after, -before, *(-change)])
    if rest and change.any():
        change[np.where(change == 0, np.inf, np.abs(change)).argmin()] += rest
    return parts.assign(change=change)


def _common_period(then: Kept, place: Situation) -> Period:
    before = {(one.start, one.end) for one in kept_periods(then)}
    for period in place.periods:
        if (period.start, period.end) in before:
            return period
    known = ", ".join(one.label for one in kept_periods(then))
    raise FunnelError(
        f"bridge: the forecast of {then.as_of - INSTANT:%Y-%m-%d} is of {known}, none of which is forecast "
        "now; keep more periods, or say --since"
    )


def origins_of(frame: pd.DataFrame, period: Period) -> dict[str, float]:
    """Return expected revenue of a period by origin."""
    rows = frame[
        (frame["measure"] == "revenue") & (frame["start"] == period.start) & (frame["end"] == period.end)
    ]
    rows = rows.drop_duplicates("origin")
    return {str(origin): float(mean) for origin, mean in zip(rows["origin"], rows["mean"], strict=True)}


@dataclass
class _Two:
    """Two moments of one company, and the chances that each one's rates give to each one's deals.

    Args:
        then: the earlier forecast.
        place: where the company stands now.
        period: whose revenue is compared.
        draws, seed: of the present rates.
    """

    then: Kept
    place: Situation
    period: Period
    draws: int
    seed: int

    @property
    def history(self) -> History:
        """What is known now."""
        assert self.place.history is not None  # noqa: S101 - told apart before
        return self.place.history

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be told apart."""
        if self.alike:
            return ()
        return ("Stages or segments of the model changed: what its rates did stands with the deals.",)

    @cached_property
    def alike(self) -> bool:
        """Whether both models have the same stages and groups: one's deals can live by the other's rates."""
        one, two = self.then.model, self.place.model
        return (
            one.funnel.places == two.funnel.places
            and one.groups == two.groups
            and (one.due is None) == (two.due is None)
        )

    @cached_property
    def first(self) -> tuple[Floats, float]:
        """Chances then of the deals open then, and money of leads to come."""
        model, then = self.then.model, self.then
        return self._pass(model, then.deals, kept_periods(then), then.draws, then.seed)

    @cached_property
    def last(self) -> tuple[Floats, float]:
        """Chances now of the deals open now, and money of leads to come."""
        return self._pass(self.place.model, self.place.deals, self.place.periods, self.draws, self.seed)

    @cached_property
    def old_rates(self) -> tuple[Floats, float]:
        """Chances by the rates of then of deals as they stand now, if still open, and of leads to come."""
        model = carried_on(self.then.model, self.history, shows_amounts(self.history))
        periods = tuple(one for one in kept_periods(self.then) if one.end > self.place.model.as_of)
        return self._pass(model, self.moved, periods, self.then.draws, self.then.seed)

    @cached_property
    def new_rates(self) -> tuple[Floats, float]:
        """Chances by today's rates of deals as they stood then, and of leads to come then."""
        model = moved_back(self.place.model, self.then.as_of)
        return self._pass(model, self.then.deals, kept_periods(self.then), self.draws, self.seed)

    def _pass(
        self, model: Model, deals: OpenDeals, periods: tuple[Period, ...], draws: int, seed: int
    ) -> tuple[Floats, float]:
        """Return the chances of deals in the period, (deals,), and the money of leads to come in it."""
        edges = days_of(periods, model.as_of)
        drawn: Draws = draws_of(model, deals, edges, draws=draws, seed=seed)
        found = intensities(model, deals, edges, drawn)
        k = [one.end for one in periods].index(self.period.end)
        chance = found.chance if found.more is None else found.chance + found.more
        return chance[:, :, k].mean(axis=0), float(found.new_money[:, k].mean())

    @cached_property
    def now_at(self) -> Any:
        """Place of each deal of then among those open now, -1 where it is not."""
        return pd.Index(self.place.deals.name).get_indexer(pd.Index(self.then.deals.name))

    @cached_property
    def moved(self) -> OpenDeals:
        """The deals of then, those still open as they stand now, with the amounts of then."""
        deals, now, still = self.then.deals, self.place.deals, self.now_at >= 0
        at = self.now_at[still]
        stage, age = deals.stage.copy(), deals.age.copy()
        stage[still], age[still] = now.stage[at], now.age[at]
        due, ahead = (None if one is None else one.copy() for one in (deals.due, deals.lead_time))
        for column, today in ((due, now.due), (ahead, now.lead_time)):
            if column is not None and today is not None:
                column[still] = today[at]
        return replace(deals, stage=stage, age=age, due=due, lead_time=ahead)

    @cached_property
    def booked(self) -> pd.Series:
        """Money won in the period since then, by lead."""
        wins = self.place.booked
        start = max(self.period.start, self.then.as_of)
        inside = (
            (wins["at"] >= start) & (wins["at"] < min(self.period.end, self.place.model.as_of))
        ).to_numpy()
        return wins[inside].fillna({"value": 0.0}).groupby("lead")["value"].sum()

    def open_then(self) -> pd.DataFrame:
        """Return what became of each deal that was open then: see `Bridge.deals`, with amount and rates."""
        deals, still = self.then.deals, self.now_at >= 0
        worth = amounts(self.then.model, deals)
        before = self.first[0] * worth
        booked = self.booked.reindex(deals.name).fillna(0.0).to_numpy(dtype=np.float64)
        now = np.where(still, 0.0, booked)
        amount, rates = np.zeros(len(deals)), np.zeros(len(deals))
        if still.any():
            value = (
                self.last[0][self.now_at[still]]
                * amounts(self.place.model, self.place.deals)[self.now_at[still]]
            )
            now[still] = value + booked[still]
            parts = self._fair(worth, still)
            amount[still], rates[still] = parts[1], parts[2]
        part = np.where(still, self._steps(), self._ends())
        part[still & (booked > 0)] = WON
        stages = np.array(self.then.model.funnel.stages, dtype=object)[deals.stage]
        return pd.DataFrame(
            {
                "lead": deals.name, "part": part, "stage": stages, "then": before, "now": now,
                "change": now - before, "amount": amount, "rates": rates,
            }
        )  # fmt: skip

    def _fair(self, worth: Floats, still: Any) -> list[Floats]:
        """Return the parts of state, amount and rates in the change of deals still open, each (deals,)."""
        deals, now, at = self.then.deals, self.place.deals, self.now_at[still]
        q = {(0, 0): self.first[0][still], (1, 1): self.last[0][at]}
        q[1, 0] = self.old_rates[0][still] if self.alike else q[1, 1]
        q[0, 1] = self.new_rates[0][still] if self.alike else q[0, 0]
        w = worth[still], amounts(self.place.model, now)[at]
        shown = ~np.isclose(deals.value[still], now.value[at], rtol=1e-12, atol=0.0, equal_nan=True)

        def money(state: int, amount: int, rates: int) -> Floats:
            by_amount = np.where(shown, w[amount], w[rates])  # an amount nobody changed moves with the fit
            value: Floats = q[state, rates] * by_amount
            return value

        return shapley_three(money)

    def _steps(self) -> Any:
        """Return for each deal of then, were it still open, what it did."""
        deals, at = self.then.deals, self.now_at
        order = {name: k for k, name in enumerate(self.history.waits)}
        before = np.array([order.get(self.then.model.funnel.stages[k], -1) for k in deals.stage])
        stages = [self.place.model.funnel.stages[k] for k in self.place.deals.stage]
        after = np.array([order.get(name, -1) for name in stages] or [-1])[at]
        closes = _closes(self.history, self.place.deals)
        date = closes[at] if len(closes) else self.then.closes
        gap = np.nan_to_num(np.asarray((date - self.then.closes) / DAY, dtype=np.float64))
        steps = np.select(
            [after > before, after < before, gap > 0, gap < 0], [MOVED, BACK, SLIPPED, PULLED], STOOD
        )
        return steps.astype(object)

    def _ends(self) -> Any:
        """Return for each deal of then, if it is open no more, how it ended."""
        history, wins = self.history, self.place.booked
        last = history.events.drop_duplicates("lead", keep="last").set_index("lead")["stage"]
        place = last.reindex(self.then.deals.name)
        won, inside = place.isin(history.won).to_numpy(), among(self.then.deals.name, self.booked.index)
        early = won & ~inside & among(self.then.deals.name, wins["lead"])
        found = np.select([inside, early, place.isna().to_numpy()], [WON, EARLY, GONE], LOST)
        return found.astype(object)

    def new_now(self) -> pd.DataFrame:
        """Return what leads bring that were not open then: open now, or won since."""
        deals = self.place.deals
        worth = pd.Series(self.last[0] * amounts(self.place.model, deals), index=deals.name)
        stages = pd.Series(
            np.array(self.place.model.funnel.stages, dtype=object)[deals.stage], index=deals.name
        )
        names = pd.Index([*deals.name, *self.booked.index]).unique()
        names = names[~among(names, self.then.deals.name)]
        now = worth.reindex(names).fillna(0.0) + self.booked.reindex(names).fillna(0.0)
        return pd.DataFrame(
            {
                "lead": names, "part": NEW, "stage": stages.reindex(names).fillna(WON).to_numpy(),
                "then": 0.0, "now": now.to_numpy(), "change": now.to_numpy(), "amount": 0.0, "rates": 0.0,
            }
        )  # fmt: skip

    def to_come(self) -> tuple[float, float]:
        """Return what days that are over, and what rates and intake did to the money of leads to come."""
        before, after = self.first[1], self.last[1]
        if not self.alike:
            return after - before, 0.0
        old, new = self.old_rates[1], self.new_rates[1]
        return ((old - before) + (after - new)) / 2, ((new - before) + (after - old)) / 2


def shapley_three(worth: Callable[[int, int, int], Floats]) -> list[Floats]:
    """Return the fair parts of three factors, each going from 0 to 1: means over the six orders.

    >>> [round(float(part), 9) for part in shapley_three(lambda a, b, c: np.float64(a + 2 * b * (1 + c)))]
    [1.0, 3.0, 1.0]
    """
    parts = [np.zeros_like(worth(0, 0, 0)) for _ in range(3)]
    for order in permutations(range(3)):
        on = [0, 0, 0]
        for factor in order:
            before = worth(*on)
            on[factor] = 1
            parts[factor] = parts[factor] + (worth(*on) - before) / 6
    return parts


def moved_back(model: Model, moment: pd.Timestamp) -> Model:
    """Return a model as of an earlier moment: the days between had the leads that it expects of the next."""
    days = max(int((model.as_of - moment) / DAY), 0)
    path, whole = model.entries.path, -(-days // 7) * 7  # whole weeks, so that weekdays stay what they are
    before = np.resize(path[:whole], whole)[whole - days :] if days else path[:0]
    due = model.due
    if due is not None and due.price.size and days:
        due = replace(due, price=np.concatenate([np.ones(days), due.price]))
    entries = replace(model.entries, path=np.concatenate([before, path]))
    return replace(model, as_of=moment, entries=entries, due=due)


def _rows(told: _Two, deals: pd.DataFrame, said: dict[int, dict[str, float]]) -> list[tuple[str, int, float]]:
    """Return the parts in their order, those that nothing belongs to left out."""
    change = (deals["change"] - deals["amount"] - deals["rates"]).groupby(deals["part"]).sum()
    count = deals.groupby("part").size()
    money = {str(part): float(value) for part, value in change.items()}
    number = {str(part): int(value) for part, value in count.items()}
    money[COMING], rates = told.to_come()
    money[AMOUNTS], number[AMOUNTS] = float(deals["amount"].sum()), int((deals["amount"] != 0).sum())
    money[RATES] = float(deals["rates"].sum()) + rates
    booked = said[1]["booked"] - said[0]["booked"] - float(told.booked.sum())
    money[EDITED] = booked if abs(booked) > 1e-9 * max(said[1]["booked"], 1.0) else 0.0
    kept = {COMING, AMOUNTS, RATES}
    rows = [(part, number.get(part, 0), money.get(part, 0.0)) for part in ORDER]
    return [row for row in rows if row[1] or row[2] != 0 or row[0] in kept]
