"""What is right: the answer to each task of the exercises, worked out by a road of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
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
from funnelsim.model.model import Model, only
from funnelsim.model.rates import Counts, model_incidence
from funnelsim.model.stated import read_funnel
from funnelsim.sample import sample_path
from funnelsim.verbs import budget, forecast, simulate

YEAR = 365
EVER = 1e6  # days: who has not left by then never will
SPLITS = 60  # draws of a budget on the sheet: another number would give another interval
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
    row = shares.query(f"group == '{segment}' and stage == 'Negotiation' and exit == 'Won'").iloc[0]
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


@cache
def flywheel() -> Model:
    """Return the flywheel as it is shipped."""
    return read_funnel("flywheel")


def wheel_customers(referrals: float) -> float:
    """Return new customers a week of the flywheel: half of its proposals."""
    return wheel_visits(flywheel(), referrals)["Proposal"] / 2


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


# Lesson 8: the record of twelve months


def crps_of(futures: list[float], came: float) -> float:
    """Return the score of equally likely futures, from the squared gap between their steps and what came."""
    edges = sorted([*futures, came])
    total = 0.0
    for low, high in pairwise(edges):
        below = sum(future <= low for future in futures) / len(futures)
        total += (high - low) * (below - (came <= low)) ** 2
    return total


def chance_to_hold(most: int, months: int, promise: float) -> float:
    """Return the chance that at most so many bands hold, month by month."""
    counts = np.ones(1)
    for _ in range(months):
        counts = np.convolve(counts, [1 - promise, promise])
    return float(counts[: most + 1].sum())


@cache
def twelve_months(method: str = "funnelsim") -> pd.DataFrame:
    """Return what was said of the twelve months before July 2026, by month."""
    said = pd.read_csv(sample_path("said.csv"))
    return said[(said["method"] == method).to_numpy()].set_index("period")


def held_if(factor: float) -> float:
    """Return how many months lie in their 80 % band if each band is so many times as wide."""
    ours = twelve_months()
    off = ours["actual"] - ours["0.50"]
    room = np.where(off > 0, ours["0.90"] - ours["0.50"], ours["0.50"] - ours["0.10"])
    return float((off.abs() <= factor * room).sum())


def skill_between(first: str, last: str) -> float:
    """Return how much smaller our revenue error was than that of cohort win rates, from month to month."""
    ours, theirs = (twelve_months(one)["crps"].loc[first:last] for one in ("funnelsim", "cohort win rates"))
    return float(1 - ours.sum() / theirs.sum())


def chance_as_said(month: str, amount: float) -> float:
    """Return the chance of at least so much revenue, as it would have been said before the month began."""
    row = twelve_months().loc[month]
    return float(1 - np.interp(amount, row[NAMES].to_numpy(dtype=float), [float(name) for name in NAMES]))


# Lesson 9: one year ahead, with the money that was spent


@cache
def kontor_spender(periods: int = 4) -> Situation:
    """Return where Kontor & Kran stands, with what it spent."""
    spend = sample_path("spend.csv")
    return situation(kontor_record(), periods=periods, spend=spend)


@cache
def channel_table(periods: int = 4, doubt: float = 1.0) -> pd.DataFrame:
    """Return the channels of a budget within its usual bounds, and as attributes its interval."""
    place = kontor_spender(periods)
    spend = tuple(replace(one, error=doubt * one.error) for one in place.model.entries.spend)
    model = replace(place.model, entries=replace(place.model.entries, spend=spend))
    found = budget(replace(place, model=model), draws=SPLITS)
    table = found.table.set_index("channel")
    table.attrs["width"] = found.high - found.low
    return table


def of_channel(name: str, column: str, periods: int = 4) -> float:
    """Return a number of a channel."""
    return float(channel_table(periods)[column].to_dict()[name])


def lead_cost(name: str, more: float) -> float:
    """Return what each further lead costs if so many times more is spent; of 0, what each costs now."""
    factor = (1 + more) ** of_channel(name, "elasticity") - 1 if more else 1.0
    return (more or 1) * of_channel(name, "spend_now") / (of_channel(name, "leads_now") * factor)


def return_left(name: str) -> float:
    """Return which share of the next euro's return is left if half a year counts."""
    return of_channel(name, "return_now", periods=2) / of_channel(name, "return_now")


def free_split(name: str) -> float:
    """Return how many times today's spend a channel gets at best, from nothing to three times.

    Where no bound is in the way the next euro brings the same in every channel: the multiplier, halved in.
    """
    table = channel_table()
    spend, bend = table["spend_now"].to_numpy(float), table["elasticity"].to_numpy(float)
    slope = bend * (table["leads_now"] * table["value_per_lead"]).to_numpy(float) / spend
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = np.sqrt(low * high)
        times = ((slope / middle) ** (1 / (1 - bend))).clip(0, 3)
        low, high = (middle, high) if times @ spend > spend.sum() else (low, middle)
    return float(times[list(table.index).index(name)])


def split_gain(split: dict[str, float]) -> float:
    """Return what a split of the money earns more than today's."""
    gain = 0.0
    for name, spend in split.items():
        times = spend / of_channel(name, "spend_now")
        more = of_channel(name, "leads_now") * (times ** of_channel(name, "elasticity") - 1)
        gain += more * of_channel(name, "value_per_lead")
    return gain


def width_in_doubt(doubt: float) -> float:
    """Return how wide the interval of the gain gets if all errors are so many times as large."""
    return float(channel_table(doubt=doubt).attrs["width"] / channel_table().attrs["width"])


# Lesson 11: the third quarter, seen from spring and from the last day of June


def new_leads_bring() -> float:
    """Return what is expected, in the third quarter, of leads that came after 30 March."""
    then = set(kontor_record().as_of("2026-03-30").events["lead"])
    deals = plan_today(FEW).deals
    came = deals[~deals["lead"].isin(then).to_numpy()]
    return float((came["P(win 2026 Q3)"] * came["value"]).sum())


def lost_deals_took() -> float:
    """Return what was expected on 30 March, in the third quarter, of deals that are lost by now."""
    then = forecast(kontor_record().as_of("2026-03-30"), until="2026-09-30", draws=FEW).deals
    last = kontor_record().events.drop_duplicates("lead", keep="last")
    gone = then[then["lead"].isin(last.loc[last["stage"].eq("Lost").to_numpy(), "lead"]).to_numpy()]
    return float((gone["P(win 2026 Q3)"] * gone["value"]).sum())


@cache
def chance_without(largest: int, target: float) -> float:
    """Return the chance of a target in the third quarter without the deals that carry most of it."""
    place, deals = kontor_today(), plan_today(FEW).deals
    carried = (deals["P(win 2026 Q3)"] * deals["value"]).sort_values(ascending=False)
    names = deals["lead"].loc[carried.index[largest:]]
    found = forecast(replace(place, deals=only(place.deals, names)), target=target, draws=FEW)
    return float(found.widths["p_target"].iloc[0])
