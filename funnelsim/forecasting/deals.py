"""Which open deals to worry about, what hangs on each, and what is left without the largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.calibration.calibrate import open_pipeline
from funnelsim.calibration.counting import group_numbers
from funnelsim.calibration.due import COLUMN, known_dates
from funnelsim.calibration.values import sized
from funnelsim.forecasting.distribution import Lump, distributions, quantiles, reached
from funnelsim.forecasting.exact import NEGLIGIBLE
from funnelsim.forecasting.forecast import MOST_AT_ONCE, SLOW, Forecast
from funnelsim.forecasting.intensity import (
    Intensity,
    draws_of,
    intensities,
    joined,
    revenue_lump,
)
from funnelsim.forecasting.periods import TOTAL, days_of, within
from funnelsim.forecasting.situation import Situation
from funnelsim.forecasting.split import winners_faster
from funnelsim.history.log import DAY, History, days_since, open_leads, spells
from funnelsim.model.model import Draws, Model, OpenDeals
from funnelsim.model.rates import model_incidence
from funnelsim.show import words

LARGEST = 10  # deals of which the chance of the target without them is told: what a meeting can talk about
WEEK = 7.0  # days: a planner looks every Monday
# Conventions. A chance that fell by a third within a week is worth a look, one of under 2 % never was; one
# win in twenty is larger; nine leads in ten have left by then, so that of ten equal ones one is named.
FADED, LEAST_CHANCE, LARGE, USUAL = 2 / 3, 0.02, 0.95, 0.9
BEYOND = 3.0  # deviations of a Poisson count: of ten stages none is named by luck in 98 of 100 looks
ADVICE = {
    "Late": "ask what holds it; agree on a next step with a date, or close it",
    "Overdue": "ask for a new date, and why the old one passed",
    "Moved": "ask what must happen before the date, and who does it",
    "Stuck": "call; if nobody answers, park it or close it",
    "Faded": "find out what happened last week",
    "Too large": "check the amount, and who can sign for so much",
}
WORRIES = (
    "lead", "stage", "segment", "channel", "owner", "age", "value", "P(win)", "stake", "p_target",
    "p_without", "reason", "why", "advice",
)  # fmt: skip


@dataclass(frozen=True)
class Stakes:
    """What all deals, and each one, can bring in a span.

    Args:
        span: name of the period, or "total".
        target: money wanted in it, nan if none was stated.
        booked: money that is booked in it already.
        lump: all that can bring more.
        first: the same of the first period alone.
        coin: (coins,) number of the deal that each of the lump's coins belongs to: a further win of the same
            deal is a coin of its own.
        first_coin: the same of the first period's.
        before: (deals,) chance of each deal to win in a span of the same length, by stage and age of a week
            ago; nan where it was not open then.
    """

    span: str
    target: float
    booked: float
    lump: Lump
    first: Lump
    coin: Integers
    first_coin: Integers
    before: Floats

    @property
    def chance(self) -> Floats:
        """Chance of each deal to win in the span, (deals,)."""
        mean: Floats = self.lump.chance.mean(axis=0)[: len(self.before)]
        return mean

    @property
    def money(self) -> Floats:
        """Money that the mean of the span falls by without each deal, (deals,)."""
        each = self.lump.chance.mean(axis=0) * self.lump.amount
        return np.bincount(self.coin, each, len(self.before)).astype(np.float64)

    @property
    def mean(self) -> float:
        """Money expected of the span, what is booked included."""
        return self.booked + float(self.lump.expected.mean())

    def without(self, gone: Sequence[int]) -> Lump:
        """Return what can bring money where some deals are lost."""
        return settled(self.lump, np.isin(self.coin, gone), 0.0)

    def reach(self, lump: Lump) -> float:
        """Return the chance of the target; nan without one."""
        return target_chance(lump, self.target - self.booked) if np.isfinite(self.target) else np.nan


def settled(lump: Lump, which: Flags, outcome: float) -> Lump:
    """Return a lump in which the outcome of some coins is known: 1 won, 0 lost."""
    return replace(lump, chance=np.where(which, outcome, lump.chance))


def target_chance(lump: Lump, money: float) -> float:
    """Return the chance that at least so much money comes in, over all draws."""
    return float(reached(lump, money).mean())


def must_win(place: Situation, lump: Lump, missing: float, now: float) -> pd.DataFrame:
    """Return the deals on which a target hangs: its chance if each is won, and if each is lost.

    Args:
        place: whose deals they are.
        lump: all that can bring money in the span.
        missing: money that is wanted and not booked yet.
        now: the chance of it.

    Returns:
        lead, stage, value, P(win), P(target), if won, if lost; those that move it most first.
    """
    deals, stages = place.deals, place.model.funnel.stages
    mean = lump.chance.mean(axis=0)[: len(deals)]
    weight = lump.amount[: len(deals)] * np.sqrt(mean * (1 - mean))
    rows = []
    for deal in np.argsort(-weight, kind="stable")[:LARGEST]:
        which = np.arange(len(lump.amount)) == deal
        won, lost = (target_chance(settled(lump, which, outcome), missing) for outcome in (1.0, 0.0))
        head = (deals.name[deal], stages[deals.stage[deal]], lump.amount[deal], mean[deal])
        rows.append((*head, now, won, lost))
    columns = ["lead", "stage", "value", "P(win)", "P(target)", "if won", "if lost"]
    table = pd.DataFrame(rows, columns=columns)
    moved = (table["if won"] - table["if lost"]).to_numpy(dtype=np.float64)
    return table.iloc[np.argsort(-moved, kind="stable")].reset_index(drop=True)


def stakes_of(place: Situation, found: Forecast, *, draws: int, seed: int) -> Stakes | None:
    """Return what hangs on each deal in the first period, or in the total where it alone has a target.

    Draws are those of the forecast, so that its numbers are met. None where a forecast has no chances of
    single deals, or no numbers at all.
    """
    if found.silent or found.engine != "exact" or not 0 < len(place.deals) <= MOST_AT_ONCE:
        return None
    if place.model.values.signing:  # what is at stake hangs on the day as well
        return None
    model, edges = place.model, days_of(place.periods, place.model.as_of)
    drawn = draws_of(model, place.deals, edges, draws=draws, seed=seed)
    targets = found.with_total[1].set_index("period")["target"]
    first, whole = place.periods[0].label, len(found.total) > 0
    span = TOTAL if whole and np.isnan(targets[first]) and np.isfinite(targets[TOTAL]) else first
    every = intensities(model, place.deals, edges, drawn, whole=True)
    one = _one_span(every, span)
    booked = within(place.booked, place.periods[0].start, model.as_of)[0]
    before = _week_ago(place, drawn, edges, span)
    soon = one if span == first else _one_span(every, first)
    lump, near = (revenue_lump(model, place.deals, part, 0) for part in (one, soon))
    coins = _deal_of_coin(one), _deal_of_coin(soon)
    return Stakes(span, float(targets[span]), booked, lump, near, *coins, before)


def _deal_of_coin(one: Intensity) -> Integers:
    """Return the number of the deal that each of a lump's coins belongs to."""
    deals = np.arange(one.chance.shape[1])
    if one.more is None:
        return deals
    again = one.more[:, :, 0].max(axis=0, initial=0.0) > NEGLIGIBLE  # as the lump's coins are appended
    return np.append(deals, np.flatnonzero(again))


def _one_span(found: Intensity, span: str) -> Intensity:
    """Return the chances of the first period alone, or of all together."""
    if span == TOTAL:
        return joined(found)
    more = None if found.more is None else found.more[:, :, :1]
    return Intensity(found.chance[:, :, :1], found.born[:, :, :1], found.atoms, more)


def _week_ago(place: Situation, drawn: Draws, edges: Floats, span: str) -> Floats:
    """Return each deal's chance by stage and age of a week ago, over as many days as are left now, (deals,).

    The same days ahead, or every deal would seem to fade as the period's end comes nearer.
    """
    unknown = np.full(len(place.deals), np.nan)
    then = place.model.as_of - WEEK * DAY
    if place.history is None or then <= place.history.began:
        return unknown
    model = replace(place.model, as_of=then)
    deals = open_pipeline(place.history.as_of(then), model)
    if not len(deals):
        return unknown
    found = _one_span(intensities(place.model, deals, edges, drawn, whole=True), span)
    chance = pd.Series(found.chance[:, :, 0].mean(axis=0), index=deals.name)
    return chance.reindex(place.deals.name).to_numpy(dtype=np.float64)


def worries_of(place: Situation, stakes: Stakes | None) -> pd.DataFrame:
    """Return the open deals to worry about, those with most money at stake first.

    Returns:
        lead, stage, segment, channel, owner, age, value, P(win) (in the span), stake (money that the span's
        mean falls by without it), p_target and p_without (chance of the target with it and if it is lost; of
        the ten with most at stake), reason (Late, Stuck, ...), why and advice in words.
    """
    table = _deal_rows(place)
    signs = list(_signs(place, stakes))
    told = [[(name, why[deal]) for name, why in signs if why[deal]] for deal in range(len(table))]
    table["reason"] = [", ".join(name for name, _ in one) for one in told]
    table["why"] = ["; ".join(why for _, why in one) for one in told]
    table["advice"] = [ADVICE[one[0][0]] if one else "" for one in told]
    known = stakes is not None
    table["P(win)"] = stakes.chance if known else np.nan  # type: ignore[union-attr]
    table["stake"] = stakes.money if known else np.nan  # type: ignore[union-attr]
    table["p_target"], table["p_without"] = np.nan, np.nan
    table = table[(table["reason"] != "").to_numpy()]
    size = (table["stake"] if known else table["value"]).fillna(0.0)
    table = table.loc[size.sort_values(ascending=False, kind="stable").index]
    if stakes is not None and np.isfinite(stakes.target):
        top, now = table.index[:LARGEST], stakes.reach(stakes.lump)
        table.loc[top, "p_target"] = now
        table.loc[top, "p_without"] = [stakes.reach(stakes.without([deal])) for deal in top]
    return table[list(WORRIES)].reset_index(drop=True)


def _deal_rows(place: Situation) -> pd.DataFrame:
    """Return what is known of each open deal, in the pipeline's order."""
    deals, model = place.deals, place.model
    table = pd.DataFrame(
        {
            "lead": deals.name,
            "stage": np.array(model.funnel.stages, dtype=object)[deals.stage],
            "segment": np.array(model.groups, dtype=object)[deals.group],
            "channel": "", "owner": "", "age": deals.age, "value": deals.value,
        }
    )  # fmt: skip
    if place.history is not None:
        leads = open_leads(place.history)
        for column in ("segment", "channel", "owner"):
            table[column] = leads[column].to_numpy(dtype=object)
    return table


def _signs(place: Situation, stakes: Stakes | None) -> Iterator[tuple[str, list[str]]]:
    """Return each reason to worry, and for each open deal why it holds; "" where it does not."""
    model, deals, history = place.model, place.deals, place.history
    quiet = np.array([name in model.funnel.earns for name in model.funnel.stages])[deals.stage]
    if deals.due is not None and model.due is not None:
        quiet = quiet | np.isfinite(deals.due)  # the date is their clock, their age says nothing
    yield "Late", _late(place, quiet)
    if history is not None and COLUMN in history.leads.columns:
        overdue, moved = _dates(history, deals)
        yield "Overdue", overdue
        yield "Moved", moved
    yield "Stuck", _stuck(place, quiet)
    if stakes is not None:
        yield "Faded", _faded(stakes)
    yield "Too large", _too_large(model, deals)


def _late(place: Situation, quiet: Flags) -> list[str]:
    """Say which deals are older than most that were won had been when they left their stage."""
    model, deals = place.model, place.deals
    faster = winners_faster(model, deals)
    zombie = np.zeros(len(deals), dtype=bool)
    if place.history is not None:
        zombie = open_leads(place.history)["zombie"].to_numpy(dtype=bool)
    said = []
    for deal, share in enumerate(faster):
        stage = words.name(model.funnel.stages[deals.stage[deal]])
        slow = f"{words.percent(share)} of winners had left {stage} sooner"
        never = f"in {stage} for {words.days(deals.age[deal])}, longer than any that ever left it"
        late = not quiet[deal] and share >= SLOW
        said.append("" if quiet[deal] else never if zombie[deal] else slow if late else "")
    return said


def _dates(history: History, deals: OpenDeals) -> tuple[list[str], list[str]]:
    """Say whose expected date has passed, and whose was put off, how often, and by how much in all."""
    dates = known_dates(history).sort_values(["lead", "since"], kind="stable")
    dates["lead"] = dates["lead"].astype(str)
    step = dates.groupby("lead")["due"].diff()
    put_off = (step > 0).groupby(dates["lead"]).sum()
    by = dates.groupby("lead")["due"].agg(lambda due: due.iloc[-1] - due.iloc[0])
    last = dates.groupby("lead")["due"].last()
    overdue, moved = [], []
    for lead in map(str, deals.name):
        late, often, far = (float(one.get(lead, 0.0)) for one in (last, put_off, by))
        overdue.append(f"expected {words.days(-late)} ago" if late < 0 else "")
        times = "once" if often == 1 else f"{often:.0f} times"
        moved.append(
            f"its date was put off {times}, by {words.days(far)} in all" if often and far > 0 else ""
        )
    return overdue, moved


def silence(place: Situation) -> Floats:
    """Return the days since anything was recorded of each open deal, (deals,)."""
    days = place.deals.age.copy()
    known = place.history
    if known is None or known.updates.empty:
        return days
    last = known.updates.groupby("lead")["at"].max()
    since = -days_since(last.reindex(place.deals.name).reset_index(drop=True), known.until)
    return np.fmin(days, since)


def patience(model: Model) -> Floats:
    """Return the days in a stage after which a lead should be looked at, (groups, stages); inf where never.

    Where the funnel states `alert_after`, that; else the age by which nine leads in ten have left, at the
    model's rates: the a at which sum over bins of rate x days up to a is log 10.
    """
    rate, edges = model.table.rate[0].sum(axis=2), model.table.edges
    found = np.full(edges.shape[:2], np.inf)
    wanted = -np.log1p(-USUAL)
    for group, stage in np.ndindex(*found.shape):
        known = np.isfinite(edges[group, stage])
        left, speed = edges[group, stage][known], rate[group, stage][known]
        passed = np.append(0.0, np.cumsum(speed[:-1] * np.diff(left)))
        bin_ = int(np.searchsorted(passed, wanted, side="right")) - 1
        if speed[bin_] > 0:
            found[group, stage] = left[bin_] + (wanted - passed[bin_]) / speed[bin_]
    stated = _stated_days(model)
    return np.where(np.isfinite(stated), stated, found)


def _stated_days(model: Model) -> Floats:
    """Return `alert_after` of each stage, (stages,); inf where none is stated."""
    return np.array(model.max_days or (np.inf,) * len(model.funnel.stages), dtype=np.float64)


def overdue_of(place: Situation) -> pd.DataFrame:
    """Return how many leads are in each stage for longer than its `alert_after`, and how many were expected.

    Of each visit that began more than so many days ago, the rates expect S(days since) to be there still.

    Returns:
        stage, alert_after (days), leads (there now), overdue, share, expected, oldest (days); no rows where
        no stage states a time.
    """
    model, deals, rows = place.model, place.deals, []
    for stage, days in enumerate(_stated_days(model)):
        age = deals.age[deals.stage == stage]
        if not np.isfinite(days) or place.history is None:
            continue
        late = int((age > days).sum())
        oldest = float(age.max(initial=0.0))
        share = late / len(age) if len(age) else np.nan
        fair = _still_there(model, place.history, stage, float(days))
        rows.append((model.funnel.stages[stage], float(days), len(age), late, share, fair, oldest))
    columns = ["stage", "alert_after", "leads", "overdue", "share", "expected", "oldest"]
    return pd.DataFrame(rows, columns=columns)


def _still_there(model: Model, history: History, stage: int, days: float) -> float:
    """Return of how many visits to a stage the rates expect that they last, among those begun so long ago."""
    visited = spells(sized(history, model.sizes))
    mine = visited[(visited["stage"] == model.funnel.stages[stage]).to_numpy()]
    since = -mine["start"].to_numpy(dtype=np.float64)
    column = mine[model.grouped_by] if model.grouped_by else None
    group, found = group_numbers(column, model.groups, len(mine)), 0.0
    for number in range(len(model.groups)):
        ages = since[(group == number) & (since > days)]
        left = model_incidence(model.table.edges[number, stage], model.table.rate[0, number, stage], ages)
        found += float((1 - left.sum(axis=0)).sum())
    return found


def overdue_words(overdue: pd.DataFrame) -> Iterator[str]:
    """Say in which stages more leads are overdue than the rates and luck explain, those with most first."""
    table = overdue.assign(excess=overdue["overdue"] - overdue["expected"])
    beyond = BEYOND * table["expected"].clip(lower=1.0) ** 0.5
    odd = table[(table["excess"] > beyond).to_numpy(dtype=bool)]
    for row in odd.sort_values("excess", ascending=False).to_dict("records"):
        yield (
            f"{words.name(row['stage'])}: {row['overdue']:,} of {row['leads']:,} leads are there for longer "
            f"than {words.days(row['alert_after'])}, where {words.digits(row['expected'])} were expected."
        )


def _stuck(place: Situation, quiet: Flags) -> list[str]:
    """Say of which deals nothing was recorded for longer than is usual, or stated, in their stage."""
    model, deals = place.model, place.deals
    most, silent = patience(model)[deals.group, deals.stage], silence(place)
    stated = np.isfinite(_stated_days(model))
    said = []
    for deal in range(len(deals)):
        stage = words.name(model.funnel.stages[deals.stage[deal]])
        usual = "to be looked at after" if stated[deals.stage[deal]] else "nine in ten have left it by"
        why = f"nothing recorded for {words.days(silent[deal])}; {stage}: {usual} {words.days(most[deal])}"
        said.append(why if not quiet[deal] and silent[deal] > most[deal] else "")
    return said


def _faded(stakes: Stakes) -> list[str]:
    """Say whose chance fell by a third or more within a week."""
    now, before = stakes.chance, stakes.before
    return [
        f"chance {words.percent(now[deal])}, {words.percent(before[deal])} a week ago over as many days"
        if before[deal] >= LEAST_CHANCE and now[deal] < FADED * before[deal]
        else ""
        for deal in range(len(now))
    ]


def _too_large(model: Model, deals: OpenDeals) -> list[str]:
    """Say which deals show more than nearly all wins of their group brought."""
    worth = deals.value * model.values.ratio[deals.group]
    said = [""] * len(deals)
    for deal in np.flatnonzero(np.isfinite(worth)) if model.values.in_money else ():
        atoms = model.values.amounts[deals.group[deal]]
        share = float((atoms < worth[deal]).mean())
        if share >= LARGE:
            kind = words.name(model.groups[deals.group[deal]])
            group = f"wins in {kind}" if model.sizes is None else f"wins with an {kind}"
            of = "wins" if len(model.groups) == 1 else group
            said[deal] = f"larger than {words.percent(share) + ' of' if share < 1 else 'all'} {of}"
    return said


def concentration_of(place: Situation, stakes: Stakes | None) -> pd.DataFrame:
    """Return what is left of the span where the deals that bring most are lost.

    Returns:
        case, leads (names), mean, low and high (80 %), p_target (nan without a target), stake (money that
        the mean falls by): as it stands, without the largest, without the two largest.
    """
    columns = ["case", "leads", "mean", "low", "high", "p_target", "stake"]
    if stakes is None:
        return pd.DataFrame(columns=columns)
    largest = np.argsort(-stakes.money, kind="stable")[:2]
    rows = []
    for count, case in enumerate(("as it stands", "without the largest", "without the two largest")):
        if count > len(largest):
            break
        gone = largest[:count].tolist()
        lump = stakes.without(gone)
        low, high = quantiles(distributions(lump)["total"], np.array([0.1, 0.9])) + stakes.booked
        names, stake = ", ".join(map(str, place.deals.name[gone])), float(stakes.money[gone].sum())
        rows.append((case, names, stakes.mean - stake, low, high, stakes.reach(lump), stake))
    return pd.DataFrame(rows, columns=columns)


def _most_of(worries: pd.DataFrame) -> str:
    """Say in how few deals nine tenths of the money at stake lie."""
    stake = worries["stake"].to_numpy(dtype=np.float64)
    few = int(np.searchsorted(np.cumsum(stake), USUAL * stake.sum())) + 1
    return f"; nine tenths of it in {few:,}" if stake.sum() > 0 and few < len(stake) else ""


def worry_words(
    place: Situation, stakes: Stakes | None, worries: pd.DataFrame, unit: str, span: str
) -> Iterator[str]:
    """Say how many deals are to worry about, with how much at stake."""
    count, every = len(worries), len(place.deals)
    if count and stakes is None:
        yield f"{count:,} of {every:,} open leads are to worry about."
    elif count and stakes is not None:
        part, whole = (words.amount(float(x), unit) for x in (worries["stake"].sum(), stakes.money.sum()))
        yield (
            f"{count:,} of {every:,} open leads are to worry about: {part} of the {whole} that open leads "
            f"should bring in {span}{_most_of(worries)}."
        )


def concentration_words(
    stakes: Stakes | None, concentration: pd.DataFrame, unit: str, span: str
) -> Iterator[str]:
    """Say what hangs on the two deals that bring most."""
    if stakes is None or len(concentration) != 3:
        return
    now, left = concentration.iloc[0], concentration.iloc[2]
    said = f"Without the two deals that bring most ({left['leads']}) {span} brings "
    said += f"{words.amount(left['mean'], unit)}, not {words.amount(now['mean'], unit)}"
    if np.isfinite(stakes.target):
        goal = words.amount(stakes.target, unit)
        chance = [words.percent(one["p_target"]) for one in (now, left)]
        said += f"; the chance of {goal} falls from {chance[0]} to {chance[1]}"
    yield f"{said}."
