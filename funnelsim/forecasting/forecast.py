"""The forecast: revenue and wins of coming periods, booked, open and not yet created, and its open deals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from funnelsim.arrays import MOST_SEED, Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError, check_word
from funnelsim.forecasting.by_date import steady
from funnelsim.forecasting.periods import TOTAL, Period, Targets, days_of, targets_of, within
from funnelsim.history.log import WINS
from funnelsim.model.model import Draws, Model, OpenDeals, expected
from funnelsim.show import words

if TYPE_CHECKING:  # the engines bring numba with them, and a forecast that was kept needs neither
    from funnelsim.forecasting.distribution import Distribution
    from funnelsim.forecasting.intensity import Intensity
    from funnelsim.simulation.record import Sums

LEVELS = (
    0.01, 0.025, 0.05, 0.10, 0.20, 0.25, 0.30, 0.40, 0.50, 0.60, 0.70, 0.75, 0.80, 0.90, 0.95, 0.975, 0.99,
)  # fmt: skip
NAMES = [f"{level:.2f}" if level == round(level, 2) else f"{level}" for level in LEVELS]
# Where from any stage more than seven wins in a hundred follow another of the same lead in the same period,
# the distribution, which takes them for independent, would be more than 5 % too narrow (tried in
# tests/test_forecast.py: at .06 it is not, at .10 it is): then lives are simulated.
MOST_FURTHER = 0.07
# Two hundred draws of twenty thousand deals and two periods take 64 MB; more deals are forecast in blocks.
MOST_AT_ONCE = 20_000
DATES_ASIDE = f"Dates: set aside, as more than {MOST_AT_ONCE:,} leads are open; all win by their age."
SLOW = 0.9  # one winner in ten is slower: rare enough to ask about, common enough to be no verdict
ENGINES = ("exact", "compiled", "simpy")

Parts: TypeAlias = "list[dict[str, dict[str, Distribution]]]"


@dataclass(frozen=True)
class Forecast:
    """What is expected of each period, and how sure that is.

    Args:
        as_of: the moment up to which everything is known.
        currency: three letters, "" where none is stated.
        engine: exact, compiled or simpy.
        target: money wanted in each period, nan if none was given or they differ.
        periods: one row per period, origin (booked, open, new, total) and measure (revenue, wins):
            start, end, mean, sd, and quantiles in columns "0.01", "0.025" .. "0.99".
        widths: one row per period: sd by chance alone (the noise floor), by parameters and common
            shocks, in total, the target, and the chance to reach it.
        deals: one row per open deal: its chance in each period and the money expected of it.
        silent: why no number is given (all but what is booked is nan then); empty where there are numbers.
        notes: sentences on what was done to these numbers, and on what to beware of.
        past: revenue and wins of whole past periods: period, start, revenue, wins.
        parts: expected revenue by segment, channel, owner or stage, if asked (see `revenue_by`).
        goals: targets of parts of the business, if given (see `goal_chances`).
        total: of all periods together, rows as in `periods`, the period being called "total"; empty unless
            asked. A deal wins once in the whole span, so no quantile is a sum of quantiles.
        total_width: its row as in `widths`.
    """

    as_of: pd.Timestamp
    currency: str
    engine: str
    target: float
    periods: pd.DataFrame
    widths: pd.DataFrame
    deals: pd.DataFrame
    silent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    past: pd.DataFrame = field(default_factory=pd.DataFrame)
    parts: pd.DataFrame | None = None
    goals: pd.DataFrame | None = None
    total: pd.DataFrame = field(default_factory=pd.DataFrame)
    total_width: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def with_total(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Periods and widths, with the rows of all periods together below, where those were asked for."""
        if not len(self.total):
            return self.periods, self.widths
        both = [self.periods, self.total], [self.widths, self.total_width]
        return pd.concat(both[0], ignore_index=True), pd.concat(both[1], ignore_index=True)

    @property
    def measure(self) -> str:
        """What to draw: revenue, or wins where no amount is known of any deal."""
        known = bool((self.periods.loc[self.periods["measure"] == "revenue", "mean"] > 0).any())
        return "revenue" if known or bool(len(self.past) and (self.past["revenue"] > 0).any()) else "wins"

    def __str__(self) -> str:
        if self.silent:
            return f"No forecast. {' '.join(self.silent)}"
        first = totals(self, self.measure).iloc[0]
        if first["mean"] == 0:
            return f"{first['period']}: nothing is expected, from open leads or from leads to come"
        unit = self.currency if self.measure == "revenue" else WINS
        low, high = (words.money(first[level], unit) for level in ("0.10", "0.90"))
        expected = words.money(first["mean"], unit)
        return f"{first['period']}: {expected} expected; in 80 of 100 futures {low} to {high}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), totals(self, self.measure)[["period", "mean", "0.10", "0.50", "0.90"]])


def forecast_periods(
    model: Model,
    open_deals: OpenDeals,
    periods: tuple[Period, ...],
    *,
    booked: pd.DataFrame | None = None,
    draws: int = 200,
    seed: int = 1,
    engine: str | None = None,
    target: Targets | None = None,
    drawn: Draws | None = None,
    found: Intensity | None = None,
    whole: bool = False,
    progress: bool = False,
) -> Forecast:
    """Forecast revenue and wins of adjoining periods from open deals and leads not yet born.

    Args:
        model: stated or calibrated.
        open_deals: the pipeline on the as-of date.
        periods: adjoining periods; the first holds the as-of date.
        booked: past wins with columns at and value; those inside the first period count as booked.
        draws: posterior draws of the rates (replications when simulated).
        seed: of the draws and of the simulated luck.
        engine: "exact", "compiled" or "simpy"; by default exact if leads are independent and, but for one in
            twenty wins, win at most once in a period.
        target: money wanted in each period, or by name of the period or "total" (see `targets_of`).
        drawn: the draws, where they are made already; of very many open deals their factors alone count.
        found: chances under these draws, where they are worked out already.
        whole: whether all periods together are forecast too; it moves no number of a single one.

    Raises:
        FunnelError: an unknown engine, too few draws, or exact asked of a model with queues.
    """
    from funnelsim.forecasting.intensity import draws_of

    edges = days_of(periods, model.as_of)
    chosen = engine_for(model, edges, engine, len(open_deals))
    check_luck(draws, seed)
    goals = targets_of(target, periods)
    whole = (whole and len(periods) > 1) or TOTAL in goals
    notes: tuple[str, ...] = ()
    if chosen == "exact" and len(open_deals) > MOST_AT_ONCE:
        from funnelsim.forecasting.split import by_blocks

        parts, deals = by_blocks(
            model, open_deals, periods, draws=draws, seed=seed,
            common=None if drawn is None else drawn.common, whole=whole, progress=progress,
        )  # fmt: skip
        notes = () if model.due is None else (DATES_ASIDE,)
    else:
        drawn = drawn or draws_of(model, open_deals, edges, draws=draws, seed=seed)
        exactly = partial(_exactly, found=found)
        road = exactly if chosen == "exact" else partial(_by_lives, engine=chosen, seed=seed)
        parts, deals = road(model, open_deals, periods, drawn, whole=whole, progress=progress)
        if chosen == "exact" and whole and engine_for(model, edges[[0, -1]], engine) != "exact":
            parts[-1] = _lived_total(model, open_deals, edges, drawn, seed, progress)
            notes = (
                f"Total: by {len(drawn):,} simulated lives, as leads win more than once in so long a span.",
            )
    if chosen != "exact":
        notes = (_luck_words(parts[0]["revenue"]["total"], draws, periods[0].label),)
    sure = (0.0, 0.0) if booked is None else within(booked, periods[0].start, model.as_of)
    rows, widths = _frames(periods, parts[: len(periods)], sure, goals)
    made = Forecast(
        model.as_of, model.currency, chosen, _common_target(goals, periods), rows, widths, deals, notes=notes
    )
    if not whole:
        return made
    span = (Period(TOTAL, periods[0].start, periods[-1].end),)
    total, width = _frames(span, parts[len(periods) :], sure, goals)
    return replace(made, total=total, total_width=width)


def _common_target(goals: Mapping[str, float], periods: Sequence[Period]) -> float:
    """Return what is wanted in each period, nan where that is not one number."""
    wanted = {goals.get(period.label, np.nan) for period in periods}
    return wanted.pop() if len(wanted) == 1 else np.nan


def _exactly(
    model: Model,
    open_deals: OpenDeals,
    periods: tuple[Period, ...],
    drawn: Draws,
    *,
    found: Intensity | None,
    whole: bool,
    progress: bool,
) -> tuple[Parts, pd.DataFrame]:
    """Return the distributions of every period, of all together if asked, and the deal table, by formula."""
    from funnelsim.forecasting.intensity import deal_money, intensities, joined
    from funnelsim.forecasting.split import deal_table

    if found is None:
        edges = days_of(periods, model.as_of)
        found = intensities(model, open_deals, edges, drawn, whole=whole, progress=progress)
    further = 0.0 if found.more is None else found.more.mean(axis=0)
    money = None if found.parts is None else deal_money(model, open_deals, found).mean(axis=0).sum(axis=1)
    deals = deal_table(model, open_deals, found.chance.mean(axis=0), periods, further, money)
    parts = _by_formula(model, open_deals, found)
    return parts + (_by_formula(model, open_deals, joined(found)) if whole else []), deals


def _by_lives(
    model: Model, open_deals: OpenDeals, periods: tuple[Period, ...], drawn: Draws, *, engine: str, seed: int,
    whole: bool, progress: bool,
) -> tuple[Parts, pd.DataFrame]:  # fmt: skip
    """Return the distributions of every period, of all together if asked, by lives, and the deal table."""
    from funnelsim.forecasting.split import deal_table
    from funnelsim.simulation.run import period_sums

    sums = period_sums(
        model, days_of(periods, model.as_of), open_deals=open_deals, replications=len(drawn), seed=seed,
        engine=engine, drawn=drawn, progress=progress,
    )  # fmt: skip
    parts = [
        {"revenue": _by_sample(sums.revenue[:, k]), "wins": _by_sample(sums.wins[:, k])}
        for k in range(len(periods))
    ]
    if whole:
        parts.append(_all_of(sums))
    unknown = np.full((len(open_deals), len(periods)), np.nan)
    return parts, deal_table(model, open_deals, unknown, periods)


def _lived_total(
    model: Model, open_deals: OpenDeals, edges: Floats, drawn: Draws, seed: int, progress: bool
) -> dict[str, dict[str, Distribution]]:
    """Return the distributions of all periods together by lives with the draws of the exact pass."""
    from funnelsim.simulation.run import period_sums

    sums = period_sums(
        model,
        edges,
        open_deals=open_deals,
        replications=len(drawn),
        seed=seed,
        drawn=drawn,
        progress=progress,
    )
    return _all_of(sums)


def _all_of(sums: Sums) -> dict[str, dict[str, Distribution]]:
    return {"revenue": _by_sample(sums.revenue.sum(axis=1)), "wins": _by_sample(sums.wins.sum(axis=1))}


def _luck_words(total: Distribution, draws: int, period: str) -> str:
    """Say how far the mean of simulated lives may be from that of endlessly many."""
    share = total.sd / np.sqrt(draws) / total.mean if total.mean > 0 else 0.0
    return (
        f"Simulated: {draws:,} replications, by which the mean of {period} is known to within "
        f"{2 * share:.1%} of it (two standard errors); more of them, by --draws, narrow it."
    )


def check_luck(draws: int, seed: int) -> None:
    """Refuse a number of draws, or a seed, with which no luck can be drawn.

    Raises:
        FunnelError: draws below 1, or a seed outside 0 .. 2 ** 64 - 1.
    """
    if draws < 1:
        raise FunnelError(f"draws {draws}: expected a whole number from 1 on")
    if not 0 <= seed < MOST_SEED:
        raise FunnelError(f"seed {seed}: expected a whole number from 0 to 2 ** 64 - 1")


def totals(found: Forecast, measure: str = "revenue", origin: str = "total") -> pd.DataFrame:
    """Return one row per period of what is expected of one measure from one origin, with its quantiles.

    Args:
        found: a forecast.
        measure: "revenue" or "wins".
        origin: "total", "booked", "open" or "new".

    Raises:
        FunnelError: an unknown measure or origin.
    """
    rows = found.periods
    for column, wanted in (("measure", measure), ("origin", origin)):
        check_word(column, wanted, sorted(set(rows[column])))
        rows = rows[rows[column] == wanted]
    return rows.reset_index(drop=True)


def choose_engine(model: Model, wanted: str | None) -> str:
    """Return the engine to use: exact if leads are independent and earn their whole value, else compiled."""
    if wanted is not None:
        check_word("engine", wanted, ENGINES)
    why = _why_not_exact(model)
    if wanted == "exact" and why:
        raise FunnelError(f"engine 'exact' does not fit: {why}; leave --engine out or use 'compiled'")
    return wanted or ("compiled" if why else "exact")


def _why_not_exact(model: Model) -> str:
    """Return why the exact pass does not fit a model; nothing where it does."""
    if model.work or model.referrals:
        return "leads queue for reps or refer others"
    if any(share != 1.0 for share in model.funnel.earns.values()):
        return "a place earns a part of the value"
    if model.values.signing and (model.funnel.wins_again or model.due is not None):
        return "prices change with the day of winning, and leads win again or at expected dates"
    return "" if steady(model) else "a lever changes from a date on how leads with an expected date leave"


def refuse_signing(model: Model, what: str) -> None:
    """Refuse what takes every deal at one price, where a scenario changes prices with the day of signing."""
    if model.values.signing:
        raise FunnelError(f"{what}: takes a deal at one price whatever the day; leave 'signed' deals out")


def _by_formula(model: Model, deals: OpenDeals, found: Intensity) -> list[dict[str, dict[str, Distribution]]]:
    """Return the distributions of every period; a deal's further win is one more coin of its amount."""
    from funnelsim.forecasting.distribution import distributions
    from funnelsim.forecasting.intensity import revenue_lump, wins_lump

    def one(k: int) -> dict[str, dict[str, Distribution]]:
        revenue, wins = revenue_lump(model, deals, found, k), wins_lump(model, deals, found, k)
        return {"revenue": distributions(revenue), "wins": distributions(wins)}

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(found.chance.shape[2])))


def _by_sample(sums: Floats) -> dict[str, Distribution]:
    """Return empirical distributions from replications, shape (replications, 2): open, new."""
    from funnelsim.forecasting.distribution import Distribution

    columns = {"open": sums[:, 0], "new": sums[:, 1], "total": sums.sum(axis=1)}
    weight = np.full(len(sums), 1 / len(sums))
    return {
        name: Distribution(np.sort(x), weight, float(x.mean()), float(x.var()), 0.0)
        for name, x in columns.items()
    }


def _frames(
    periods: tuple[Period, ...],
    parts: list[dict[str, dict[str, Distribution]]],
    booked: tuple[float, float],
    goals: Mapping[str, float],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables `periods` and `widths`; what is booked shifts the first period's total."""
    from funnelsim.forecasting.distribution import at_least

    rows, widths = [], []
    for k, (period, measures) in enumerate(zip(periods, parts, strict=True)):
        head = {"period": period.label, "start": period.start, "end": period.end}
        for measure, already in zip(("revenue", "wins"), booked, strict=True):
            sure = already if k == 0 else 0.0
            rows.append(head | {"origin": "booked", "measure": measure} | _row(None, sure))
            for origin, found in measures[measure].items():
                shift = sure if origin == "total" else 0.0
                rows.append(head | {"origin": origin, "measure": measure} | _row(found, shift))
        total = measures["revenue"]["total"]
        target = goals.get(period.label, np.nan)
        reach = at_least(total, target - (booked[0] if k == 0 else 0.0)) if np.isfinite(target) else np.nan
        widths.append(
            {
                "period": period.label,
                "chance": np.sqrt(total.chance_variance),
                "parameter": np.sqrt(total.parameter_variance),
                "total": total.sd,
                "target": target,
                "p_target": reach,
            }
        )
    return pd.DataFrame(rows), pd.DataFrame(widths)


def _row(found: Distribution | None, shift: float) -> dict[str, float]:
    from funnelsim.forecasting.distribution import quantiles

    if found is None:
        return {"mean": shift, "sd": 0.0} | dict.fromkeys(NAMES, shift)
    levels = quantiles(found, np.array(LEVELS)) + shift
    return {"mean": found.mean + shift, "sd": found.sd} | dict(zip(NAMES, levels.tolist(), strict=True))


def further_share(model: Model, days: float) -> float:
    """Return the share of wins that follow another of the same lead within a period, in the stage with most.

    The distribution takes these for independent of the win before, so it is right for few of them only. The
    share is a matter of rates alone: neither today's pipeline nor the date moves it.

    Args:
        days: length of the period.
    """
    from funnelsim.forecasting.exact import NEGLIGIBLE, chances

    if not model.funnel.wins_again:
        return 0.0
    edges = np.array([0.0, days])
    wins, first = (
        chances(model.funnel, model.table, edges, once=once).at_start[:, :, 0, 0] for once in (False, True)
    )
    return float(np.max(1 - np.divide(first, wins, out=np.ones_like(wins), where=wins > NEGLIGIBLE)))


def engine_for(model: Model, edges: Floats, wanted: str | None = None, deals: int = 0) -> str:
    """Return the engine of a forecast: the wanted one, or the exact pass where it is right, else compiled.

    Args:
        edges: (periods + 1,) ends of the periods, days since the as-of date.
        wanted: "exact", "compiled" or "simpy".
        deals: how many are open: of very many the exact pass knows one price each.

    Raises:
        FunnelError: an unknown engine, or exact asked of a model that it does not fit.
    """
    chosen, longest = choose_engine(model, wanted), float(np.diff(edges).max())
    if model.values.signing and deals > MOST_AT_ONCE and chosen == "exact":
        if wanted == "exact":
            raise FunnelError(
                f"engine 'exact' knows no prices at signing of over {MOST_AT_ONCE:,} open deals"
            )
        return "compiled"
    if wanted is None and chosen == "exact" and further_share(model, longest) > MOST_FURTHER:
        return "compiled"
    return chosen


def handover_words(model: Model, deals: OpenDeals, periods: tuple[Period, ...]) -> tuple[str, ...]:
    """Return how many leads are expected to be handed over, in a sentence; nothing where reps queue."""
    ends = model.funnel.handed_over
    if not ends or model.work or model.referrals:
        return ()
    funnel = replace(model.funnel, earns=dict.fromkeys(ends, 1.0), handed_over=())
    counts = _wins(replace(model, funnel=funnel), deals, days_of(periods, model.as_of))
    told = [f"{count:,.0f} in {period.label}" for count, period in zip(counts, periods, strict=True)]
    return (f"Expected to be handed over: {', '.join(told)}.",)


def _wins(model: Model, deals: OpenDeals, edges: Floats) -> Floats:
    """Return expected wins of each period at the model's own rates."""
    from funnelsim.forecasting.exact import at_ages, chances, from_ways
    from funnelsim.forecasting.intensity import ways_in

    oldest = float(deals.age.max(initial=0.0))
    found = chances(model.funnel, model.table, edges, oldest=oldest)
    per_day = expected(model.entries, int(np.ceil(edges[-1])))
    born = from_ways(found, *ways_in(model), per_day).sum(axis=0)
    wins: Floats = at_ages(found, deals.group, deals.stage, deals.age).sum(axis=0) + born
    return wins


def silenced(forecast: Forecast, reasons: tuple[str, ...]) -> Forecast:
    """Return a forecast without its numbers: what is booked stays, all that is not known becomes nan.

    Args:
        forecast: what would be said of a longer history.
        reasons: why it is not, as `unanswerable` says.
    """
    sure = (forecast.periods["origin"] == "booked").to_numpy()
    periods, widths, deals = forecast.periods.copy(), forecast.widths.copy(), forecast.deals.copy()
    periods.loc[~sure, ["mean", "sd", *NAMES]] = np.nan
    widths[widths.columns.drop(["period", "target"])] = np.nan
    chances = [column for column in deals.columns if column.startswith("P(win ") or column == "expected"]
    deals[chances] = np.nan
    nothing = pd.DataFrame()
    return replace(
        forecast, periods=periods, widths=widths, deals=deals, silent=reasons, total=nothing,
        total_width=nothing,
    )  # fmt: skip


def with_names(deals: pd.DataFrame, known: pd.DataFrame, due: pd.Series | None = None) -> pd.DataFrame:
    """Return the deal table with channel, owner, and a flag in words.

    Args:
        deals: see `deal_table`.
        known: what is known of open leads: lead, zombie, and any of channel and owner.
        due: by lead, days to the expected date where it is the clock; its age then says nothing.
    """
    table, extra = deals.copy(), known.set_index("lead").reindex(deals["lead"])
    for position, column in enumerate(("channel", "owner"), start=3):
        if column in extra.columns:
            table.insert(position, column, extra[column].to_numpy())
    stale = extra["zombie"].to_numpy(dtype=bool)
    slow = (table["winners_faster"] >= SLOW).to_numpy()
    table["flag"] = [
        "never closed this late" if z else "slower than 90 % of winners" if s else ""
        for z, s in zip(stale, slow, strict=True)
    ]
    if due is not None:
        days = due.reindex(table["lead"]).to_numpy()
        table["flag"] = table["flag"].mask(days >= 0, "").mask(days < 0, "overdue")
    return table
