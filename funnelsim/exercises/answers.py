"""What is right: the answer to each task of the exercises, worked out by a road of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import cast

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.calibration.calibrate import fit_model
from funnelsim.calibration.trust import exit_shares, trust_of
from funnelsim.forecasting.exact import Chances, at_ages, chances
from funnelsim.forecasting.forecast import NAMES, Forecast, totals
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.history.log import History, bookings
from funnelsim.history.read import read_history
from funnelsim.model.model import Model
from funnelsim.model.rates import Counts, model_incidence
from funnelsim.model.stated import read_funnel
from funnelsim.sample import sample_path
from funnelsim.verbs import forecast, simulate

YEAR = 365
EVER = 1e6  # days: who has not left by then never will
SAFE = 300  # a family of so many dies out less often than once in a million
FEW = 40  # draws of the rates: a mean is then within two parts in a hundred of the 200 draws of the lessons


# Lesson 1: thirteen leads of a workshop, known up to 30 May 2026; a lead in Proposal, 69 or 12 days old


@cache
def workshop_model() -> Model:
    """Return the model of the workshop's thirteen leads."""
    history = read_history(sample_path("thirteen_leads.csv"), as_of="2026-05-30")
    return fit_model(history, groups="", bins=(0, 1, 30), half_life=np.inf)


@cache
def won_within(days: float, age: float) -> float:
    """Return the chance of a deal in the workshop's Proposal, of an age, to be won within days."""
    model = workshop_model()
    found = chances(model.funnel, model.table, np.array([0.0, days]), oldest=100.0)
    proposal = model.funnel.numbers["Proposal"]
    return float(at_ages(found, np.array([0]), np.array([proposal]), np.array([age]))[0, 0])


def either_won() -> float:
    """Return the chance that at least one of the two deals is won in 31 days."""
    return 1 - (1 - won_within(31, 69)) * (1 - won_within(31, 12))


# Lesson 2: the record of Kontor & Kran


@cache
def kontor_record() -> History:
    """Return the record of Kontor & Kran."""
    return read_history(sample_path(), mapping={"currency": "EUR"})


@cache
def won_between(first: str, after: str) -> float:
    """Return the revenue from one day up to, and without, another."""
    wins = bookings(kontor_record())
    inside = (wins["at"] >= first) & (wins["at"] < after)
    return float(wins.loc[inside.to_numpy(), "value"].sum())


@cache
def negotiation_fate() -> tuple[float, float]:
    """Return of those who came to Negotiation in late 2025 the share won within 90 days, and won / closed."""
    events = kontor_record().events
    first = events[(events["stage"] == "Negotiation").to_numpy()].drop_duplicates("lead")
    came = first.set_index("lead")["at"]
    came = came[(came >= "2025-10-01") & (came < "2026-01-01")]
    ends = events[events["stage"].isin(kontor_record().ends).to_numpy()].drop_duplicates("lead", keep="last")
    fate = ends.set_index("lead").reindex(came.index)
    won, at = fate["stage"].eq("Won"), fate["at"]
    early = (at < "2026-01-01").to_numpy()
    within = won & (at - came <= pd.Timedelta(days=90))
    return float(within.mean()), float(won[early].mean())


# Lesson 3: rates of the record, all observations alike


@cache
def kontor_model(half_life: float) -> Model:
    """Return the model of the record whose observations fade by a half-life in days."""
    return fit_model(kontor_record(), half_life=half_life)


def exits_per_hundred(stage: str, exit_: str, day: float) -> float:
    """Return exits of small deals per hundred days of waiting, in the age that begins on a day."""
    model = kontor_model(np.inf)
    place, counts = model.funnel.numbers[stage], cast(Counts, model.counts)
    cell, age = (model.groups.index("small"), place), int(np.searchsorted(counts.edges, day))
    seen = counts.events[*cell, model.funnel.exits[place].index(exit_), age]
    return float(100 * seen / counts.exposure[*cell, age])


@cache
def chances_ahead() -> Chances:
    """Return the chances to be won within 91 days."""
    model = kontor_model(np.inf)
    return chances(model.funnel, model.table, np.array([0.0, 91.0]), oldest=400.0)


def chance_at_age(stage: str, segment: str, age: float) -> float:
    """Return the chance of a lead to be won within 91 days."""
    model = kontor_model(np.inf)
    where = np.array([model.groups.index(segment)]), np.array([model.funnel.numbers[stage]])
    return float(at_ages(chances_ahead(), *where, np.array([age]))[0, 0])


def day_of_half(stage: str, segment: str) -> float:
    """Return the first age at which a deal has less than half of a fresh one's chance."""
    fresh = chance_at_age(stage, segment, 0.0)
    return next(day for day in range(400) if chance_at_age(stage, segment, day) < fresh / 2)


@cache
def width_of_win(segment: str, half_life: float) -> float:
    """Return how wide the 80 % interval of the share is that leaves Negotiation won within 90 days."""
    shares = exit_shares(trust_of(kontor_record(), kontor_model(half_life)), days=90)
    row = shares.set_index(["group", "stage", "exit"]).loc[(segment, "Negotiation", "Won")]
    return float(row["high"] - row["low"])


def shrunk_skill(seen: float, expected: float, known: float) -> float:
    """Return the mean of a skill whose prior is Gamma(known, known), by adding up over all skills."""
    skill = np.linspace(0.001, 4, 4000)
    weight = np.exp((known - 1 + seen) * np.log(skill) - (known + expected) * (skill - 1))
    return float((skill * weight).sum() / weight.sum())


# Lesson 4: the next two quarters and months, as known on 30 June 2026


@cache
def kontor_today() -> Situation:
    """Return where Kontor & Kran stands on 30 June 2026."""
    return situation(kontor_record())


@cache
def plan_today(draws: int = 200) -> Forecast:
    """Return the forecast as planned."""
    return forecast(kontor_today(), draws=draws)


def revenue_quantiles(quarter: int) -> Floats:
    """Return the quantiles of a quarter's revenue."""
    found: Floats = totals(plan_today())[NAMES].iloc[quarter].to_numpy(dtype=float)
    return found


def chance_of_target(target: float, quarter: int = 0) -> float:
    """Return the chance of at least so much, read off the quantiles."""
    return float(1 - np.interp(target, revenue_quantiles(quarter), [float(name) for name in NAMES]))


def target_of_chance(chance: float, quarter: int = 0) -> float:
    """Return the amount that is reached with a chance."""
    return float(np.interp(1 - chance, [float(name) for name in NAMES], revenue_quantiles(quarter)))


def deals_of_half(order: str) -> float:
    """Return how many deals, from the first by a column, carry half of the money of the open deals."""
    money = plan_today().deals.sort_values(order, ascending=False)["expected"].cumsum()
    return float((money < money.iloc[-1] / 2).sum() + 1)


@cache
def open_share(month: int) -> float:
    """Return the share of a month's revenue that is expected of open deals."""
    found = forecast(situation(kontor_record(), period="month", periods=3), draws=FEW)
    means = found.periods.query("measure == 'revenue'").pivot(index="period", columns="origin", values="mean")
    return float((means["open"] / means["total"]).iloc[month])


# Lesson 5: what levers bring in the third and the fourth quarter


@cache
def lever_gain(words: str) -> tuple[float, ...]:
    """Return what levers bring in each of the two quarters."""
    pulled = forecast(kontor_today(), what_if=words, draws=FEW)
    return tuple(totals(pulled)["mean"] - totals(plan_today(FEW))["mean"])


def plan_means() -> tuple[float, ...]:
    """Return the expected revenue of each of the two quarters."""
    return tuple(totals(plan_today())["mean"])


# Lesson 6: leads that wait for reps; days, where a talk takes one


def erlang_wait(reps: int, busy: float) -> float:
    """Return the mean wait in talks, from Erlang's recursion for the share that finds all reps busy."""
    full = 1.0
    for rep in range(1, reps + 1):
        full = busy * full / (rep + busy * full)
    return full / (1 - busy / reps * (1 - full)) / (reps - busy)


@cache
def team_wait(reps: int) -> float:
    """Return the mean days that leads wait for so many account executives, in their first year."""
    run = simulate("saas_marketing_and_sales", YEAR, reps=[f"account executives={reps}"])
    return float(run.waits["wait"].mean())


@cache
def five_reps() -> Model:
    """Return the software company with five account executives."""
    return simulate("saas_marketing_and_sales", 1, reps=["account executives=5"]).model


@cache
def order_wait(order: str, dear: bool = True) -> float:
    """Return the mean wait in two years of leads worth 20,000 EUR or more, or of the others."""
    model = five_reps()
    run = simulate(replace(model, pools=(replace(model.pools[0], order=order),)), 2 * YEAR)
    large = set(run.names[run.value >= 20_000])
    return float(run.waits.loc[run.waits["lead"].isin(large) == dear, "wait"].mean())


@cache
def line_after(years: int, patient: bool = True, more: float = 1.4) -> float:
    """Return how many have joined the line of five reps, and neither began nor left, after so many years."""
    model = five_reps()
    calm = tuple(replace(one, patience=None, gives_up_to=-1) for one in model.work)
    entries = replace(model.entries, path=more * model.entries.path)
    waits = simulate(
        replace(model, work=calm if patient else model.work, entries=entries), years * YEAR
    ).waits
    return float((waits["began"].isna() & ~waits["gave_up"].astype(bool)).sum())


# Lesson 7: how often places are visited, from chances alone; the simulation and its delays play no part


def moves(model: Model, referrals: float | None = None) -> Floats:
    """Return how many visits to each place follow a visit to another at once, referred leads included."""
    table, places = model.table, len(model.funnel.places)
    found = np.zeros((places, places))
    for stage, exits in enumerate(model.funnel.exits):
        rates = table.rate[0, 0, stage, : len(exits)]
        gone = model_incidence(table.edges[0, stage], rates, np.array([EVER]))[:, 0]
        found[stage, [model.funnel.numbers[name] for name in exits]] = gone
    for one in model.referrals:
        found[one.place, one.stage] += one.mean if referrals is None else referrals
    return found


def visits(found: Floats, start: Floats) -> Floats:
    """Return the visits to each place that follow from a start, in all; infinite where they grow for ever."""
    if np.abs(np.linalg.eigvals(found)).max() >= 1:
        return np.full(start.size, np.inf)
    return cast(Floats, np.linalg.solve(np.eye(start.size) - found.T, start))


def purchases_of_proposal(asked: float) -> float:
    """Return the purchases that a proposal leads to, if so many customers are asked again."""
    model = read_funnel("sales_funnel_cyclical")
    number, found = model.funnel.numbers, moves(model)
    found[number["Customer"], [number["Proposal"], number["Former customer"]]] = asked, 1 - asked
    return float(visits(found, np.eye(len(number))[number["Proposal"]])[number["Purchase"]])


def wheel_visits(model: Model, referrals: float | None = None) -> dict[str, float]:
    """Return the visits to each place of a flywheel per week, in the long run."""
    start = np.zeros(len(model.funnel.places))
    np.add.at(start, [cell.stage for cell in model.entries.cells], 7 * model.entries.path)
    return dict(zip(model.funnel.places, visits(moves(model, referrals), start), strict=True))


def wheel_customers(referrals: float) -> float:
    """Return new customers a week of the flywheel: half of its proposals."""
    return wheel_visits(read_funnel("flywheel"), referrals)["Proposal"] / 2


@cache
def family_gone(generations: int = 200) -> float:
    """Return the share of new customers' families that die out, of twenty thousand that were let live.

    Two leads come of each purchase, three of ten become customers, and one purchase in two has a next.
    """
    rng, customers = np.random.default_rng(7), np.ones(20_000, dtype=int)
    for _ in range(generations):
        living = np.flatnonzero((customers > 0) & (customers < SAFE))
        orders = customers[living] + rng.negative_binomial(customers[living], 0.5)
        customers[living] = rng.poisson(2 * 0.3 * orders)
    return float((customers == 0).mean())
