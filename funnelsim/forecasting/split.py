"""A forecast split: by segment, channel, owner or stage; deal by deal; very many deals, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.calibration.values import sized
from funnelsim.errors import FunnelError, nearest
from funnelsim.forecasting.distribution import (
    ORDERS,
    Crowd,
    Distribution,
    Lump,
    at_least,
    coin_cumulants,
    crowd_distributions,
    distributions,
    too_large,
)
from funnelsim.forecasting.exact import chances
from funnelsim.forecasting.forecast import MOST_AT_ONCE, Forecast, refuse_signing
from funnelsim.forecasting.intensity import Intensity, by_way, coins, draws_of, intensities, joined
from funnelsim.forecasting.periods import TOTAL, Period, days_of, targets_of
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import spells
from funnelsim.history.tables import read_table
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import SIZE, Cell, Model, OpenDeals, amounts, expected
from funnelsim.model.rates import RateTable, model_incidence

COLUMNS = ("segment", "channel", "owner", "stage")
FOREVER = 1e6  # days: whoever has not left by then at a constant rate never will
UNBORN = "not yet created"
GOALS = ("group", "period", "target")
ORIGINS = ("booked", "open", "new")


def check_column(column: str) -> None:
    """Refuse a word by which no forecast is split.

    Raises:
        FunnelError: it is unknown.
    """
    if column not in COLUMNS:
        raise FunnelError(f"by '{column}': no forecast is split so; {nearest(column, COLUMNS)}")


def revenue_by(place: Situation, found: Forecast, column: str) -> pd.DataFrame:
    """Return expected revenue of every part of the business, period by period; parts add up to the forecast.

    Open deals count with their chance times their amount; leads not yet created by the ways in of the
    model, which know channel and the model's groups: by owner or stage they are a part of their own.

    Args:
        place: where the company stands.
        found: its forecast, by the exact engine.
        column: "segment", "channel", "owner" or "stage" (in which open deals are now).

    Returns:
        part, period, leads (open now), booked, open, new, expected; largest part first.

    Raises:
        FunnelError: no such column, or deals have no chances because the forecast was simulated.
    """
    check_column(column)
    if found.engine != "exact":
        raise FunnelError(f"by {column}: a simulated forecast has no chances of single deals to split")
    refuse_signing(place.model, f"by {column}")
    pieces = [_open(place, found, column), _new(place, column), _booked(place, column)]
    labels = [period.label for period in place.periods]
    rows = pd.concat(pieces)
    every = pd.MultiIndex.from_product([rows["part"].unique(), labels], names=["part", "period"])
    sums = rows.pivot_table(index=["part", "period"], columns="origin", values="money", aggfunc="sum")
    table = _to_means(sums.reindex(every, columns=pd.Index(ORIGINS)).fillna(0.0), found)
    table["expected"] = table[list(ORIGINS)].sum(axis=1)
    size = table.groupby("part")["expected"].sum().sort_values(ascending=False, kind="stable")
    table = table.reindex(pd.MultiIndex.from_product([size.index, labels], names=["part", "period"]))
    leads = _names(found.deals, column).value_counts()
    open_now = leads.reindex(table.index.get_level_values("part"), fill_value=0)
    table.insert(0, "leads", open_now.to_numpy())
    told: pd.DataFrame = table.reset_index()
    return told


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return the parts as a table to read: part, open leads, and expected revenue of each period."""
    found = table.pivot(index="part", columns="period", values="expected")
    found = found.loc[table["part"].unique(), table["period"].unique()].reset_index()
    leads = table.drop_duplicates("part").set_index("part")["leads"]
    found.insert(1, "open leads", found["part"].map(leads))
    return found.rename_axis(columns=None)


def read_goals(path: str | Path) -> pd.DataFrame:
    """Return the targets of parts of the business: group, period, target, as text.

    Args:
        path: a table with columns group (a segment, channel, owner or stage), period (2026Q3, total; blank
            for each) and target (2.5M).

    Raises:
        FunnelError: no such file or column, or no row.
    """
    table = read_table(path)
    frame = pd.DataFrame({name: table.text(name) for name in GOALS})
    if frame.empty:
        raise FunnelError(f"{table.file}: no row below the header; expected {', '.join(GOALS)}")
    return frame


def goal_chances(
    place: Situation, found: Forecast, column: str, goals: pd.DataFrame, *, draws: int, seed: int
) -> pd.DataFrame:
    """Return the chance of every part of the business to reach its targets.

    A part's distribution is made as the whole one is, of its own open deals and its own ways in; a way's
    share of a segment's leads to come is that of its expected wins. By owner or stage nobody knows whose the
    leads to come will be: they are left out.

    Args:
        place: where the company stands.
        found: its forecast, by the exact engine.
        column: "segment", "channel", "owner" or "stage".
        goals: group, period, target, see `read_goals`.
        draws, seed: as of the forecast.

    Returns:
        part, period, target, expected, p_target.

    Raises:
        FunnelError: an unknown group or period, no amount of money, or deals have no chances of their own.
    """
    check_column(column)
    if found.engine != "exact" or len(place.deals) > MOST_AT_ONCE:
        raise FunnelError(
            "targets: by groups they need the chances of single deals, which are not known here"
        )
    refuse_signing(place.model, "targets")
    model, edges = place.model, days_of(place.periods, place.model.as_of)
    drawn = draws_of(model, place.deals, edges, draws=draws, seed=seed)
    single = intensities(model, place.deals, edges, drawn, whole=True)
    labels = [period.label for period in place.periods]
    spans = {label: (single, k) for k, label in enumerate(labels)} | {TOTAL: (joined(single), 0)}
    part = _names(found.deals, column).set_axis(found.deals["lead"]).reindex(place.deals.name).to_numpy()
    shares, booked = _shares_of_ways(place, column), _booked(place, column).groupby("part")["money"].sum()
    known = sorted({*part, *shares, *booked.index} - {UNBORN})
    worth, rows = amounts(model, place.deals), []
    for group, period, target in _goals(goals, known, place.periods):
        everything, k = spans[period]
        own, now = part == group, float(booked.get(group, 0.0)) if k == 0 else 0.0
        share = shares.get(group, np.zeros((len(model.groups), len(labels) + 1)))
        # Kinds of leads to come are the groups, and then each group at each other price.
        kinds = np.vstack([share, np.repeat(share, len(everything.atoms) // len(share) - 1, axis=0)])
        born = everything.born[:, :, k] * kinds[:, -1 if period == TOTAL else k]
        money, chance = coins(worth[own], _of_deals(everything, own), k)
        total = distributions(Lump(money, chance, born, everything.atoms, model.entries.spread))["total"]
        rows.append((group, period, target, total.mean + now, at_least(total, target - now)))
    return pd.DataFrame(rows, columns=["part", "period", "target", "expected", "p_target"])


def _goals(
    goals: pd.DataFrame, known: Sequence[str], periods: Sequence[Period]
) -> list[tuple[str, str, float]]:
    """Return group, period and money of every target."""
    wanted: dict[tuple[str, str], float] = {}
    for group, period, money in goals[list(GOALS)].itertuples(index=False):
        if str(group) not in known:
            raise FunnelError(f"targets: no group '{group}'; {nearest(group, known)}")
        for label, amount in targets_of({str(period): money}, periods).items():
            if (str(group), label) in wanted:
                raise FunnelError(f"targets: '{group}' has two for {label}")
            wanted[str(group), label] = amount
    return [(*key, money) for key, money in wanted.items()]


def _of_deals(found: Intensity, own: Flags) -> Intensity:
    more = None if found.more is None else found.more[:, own]
    return Intensity(found.chance[:, own], found.born, found.atoms, more)


def _shares_of_ways(place: Situation, column: str) -> dict[str, Floats]:
    """Return each part's share of the expected wins of leads to come: part -> (groups, periods and total)."""
    model, edges = place.model, days_of(place.periods, place.model.as_of)
    per_day = expected(model.entries, int(np.ceil(edges[-1])))
    wins = by_way(chances(model.funnel, model.table, edges), model, per_day)
    wins = np.hstack([wins, wins.sum(axis=1, keepdims=True)])
    found: dict[str, Floats] = {}
    every = np.zeros((len(model.groups), wins.shape[1]))
    for cell, row in zip(model.entries.cells, wins, strict=True):
        part = found.setdefault(_part_of_way(model, cell, column), np.zeros_like(every))
        part[cell.group] += row
        every[cell.group] += row
    return {
        name: np.divide(part, every, out=np.zeros_like(every), where=every > 0)
        for name, part in found.items()
    }


def _names(frame: pd.DataFrame, column: str) -> pd.Series:
    if column not in frame.columns:
        return pd.Series("unknown", index=frame.index, dtype=object)
    return frame[column].astype(object).where(frame[column].notna() & (frame[column] != ""), "unknown")


def _open(place: Situation, found: Forecast, column: str) -> pd.DataFrame:
    """Return chance x amount of every open deal and period."""
    worth = pd.Series(amounts(place.model, place.deals), index=place.deals.name)
    money = found.deals["lead"].map(worth).to_numpy(dtype=np.float64)
    part = _names(found.deals, column)
    rows = [
        {"part": part, "period": p.label, "origin": "open", "money": found.deals[f"P(win {p.label})"] * money}
        for p in place.periods
    ]
    return pd.concat([pd.DataFrame(row) for row in rows], ignore_index=True)


def _new(place: Situation, column: str) -> pd.DataFrame:
    """Return the revenue of leads not yet created by way in, at the model's own rates."""
    model, edges = place.model, days_of(place.periods, place.model.as_of)
    chance = chances(model.funnel, model.table, edges)
    per_day = expected(model.entries, int(np.ceil(edges[-1])))
    worth = model.values.mean
    rows = []
    for cell, wins in zip(model.entries.cells, by_way(chance, model, per_day), strict=True):
        part, money = _part_of_way(model, cell, column), wins * worth[cell.group]
        rows += [(part, p.label, "new", m) for p, m in zip(place.periods, money, strict=True)]
    return pd.DataFrame(rows, columns=["part", "period", "origin", "money"])


def _part_of_way(model: Model, cell: Cell, column: str) -> str:
    if column == model.grouped_by or (column == "segment" and model.sizes is not None):
        return model.groups[cell.group]
    return (cell.channel or UNBORN) if column == "channel" else UNBORN


def _booked(place: Situation, column: str) -> pd.DataFrame:
    if place.history is None:
        return pd.DataFrame(columns=["part", "period", "origin", "money"])
    first, leads = place.periods[0], place.history.leads
    if column == "segment" and place.model.sizes is not None:
        size = spells(sized(place.history, place.model.sizes)).drop_duplicates("lead").set_index("lead")[SIZE]
        leads = leads.assign(segment=size)
    inside = place.booked[(place.booked["at"] >= first.start).to_numpy()]
    stages = place.booked["stage"].loc[inside.index]
    told = leads.reindex(inside["lead"]).reset_index(drop=True)
    part = stages.reset_index(drop=True) if column == "stage" else _names(told, column)
    money = inside["value"].fillna(0.0).to_numpy()
    return pd.DataFrame({"part": part, "period": first.label, "origin": "booked", "money": money})


def _to_means(table: pd.DataFrame, found: Forecast) -> pd.DataFrame:
    """Return the parts scaled so that every origin of every period adds up to the forecast's mean."""
    revenue = found.periods[found.periods["measure"] == "revenue"]
    mean = revenue.pivot(index="period", columns="origin", values="mean")
    scaled = table.copy()
    for origin in ORIGINS:
        total = table[origin].groupby("period").transform("sum")
        goal = mean[origin].reindex(table.index.get_level_values("period")).to_numpy(dtype=np.float64)
        scaled[origin] = table[origin] * np.divide(goal, total, out=np.zeros(len(table)), where=total > 0)
    return scaled


def deal_table(
    model: Model, deals: OpenDeals, chance: Floats, periods: Sequence[Period], more: Floats | float = 0.0,
    money: Floats | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return open deals, most expected money first, with their chances per period.

    Args:
        chance: (deals, periods) mean over draws.
        more: (deals, periods) expected further wins in the same period.
        money: (deals,) expected in all periods; chances times amounts by default.
    """
    money = (chance + more).sum(axis=1) * amounts(model, deals) if money is None else money
    table = pd.DataFrame({"lead": deals.name})
    table["stage"] = np.array(model.funnel.stages, dtype=object)[deals.stage]
    table["segment"] = np.array(model.groups, dtype=object)[deals.group]
    table["age"] = deals.age.round(1)
    table["value"] = deals.value
    for k, period in enumerate(periods):
        table[f"P(win {period.label})"] = chance[:, k].round(4)
    table["expected"] = money.round(2)
    table["winners_faster"] = winners_faster(model, deals).round(3)
    return table.sort_values("expected", ascending=False, kind="stable").reset_index(drop=True)


def winners_faster(model: Model, deals: OpenDeals) -> Floats:
    """Return, for each open deal, the share of later winners that leave its stage sooner than its age.

    sum_x F_x(age) W_x / sum_x F_x(inf) W_x, with F_x the fitted cumulative incidence of exit x and W_x the
    chance to win, some day, of a lead that takes it. It tells how late a deal is beside those that won, and
    does not depend on which other deals are open.

    Args:
        model: its rates before any lever.
        deals: the pipeline.

    Returns:
        Shares, shape (deals,); nan in a stage from which nobody wins.
    """
    funnel, table = model.funnel, model.table
    shares = np.full(len(deals), np.nan)
    for group in np.unique(deals.group):
        stages = range(len(funnel.stages))
        forever = [_left(table, group, stage, np.array([FOREVER]))[:, 0] for stage in stages]
        wins = wins_some_day(funnel, forever)
        for stage in np.unique(deals.stage[deals.group == group]):
            rows = np.flatnonzero((deals.group == group) & (deals.stage == stage))
            worth = wins[funnel.targets[stage]] * (funnel.targets[stage] >= 0)
            total = forever[stage] @ worth
            if total > 0:
                shares[rows] = worth @ _left(table, group, stage, deals.age[rows]) / total
    faster: Floats = np.minimum(shares, 1.0)
    return faster


def _left(table: RateTable, group: int, stage: int, ages: Floats) -> Floats:
    """Return the share that has left by each exit at each age, (exits, ages), at the base rates."""
    known = np.isfinite(table.edges[group, stage])
    return model_incidence(table.edges[group, stage][known], table.rate[0, group, stage][:, known], ages)


def wins_some_day(funnel: Funnel, forever: Sequence[Floats], goals: Iterable[str] | None = None) -> Floats:
    """Return the chance to win some day of a lead that enters each place, (places,): 1 where money is booked.

    W = A W + b: A leads on to other stages, b straight to a win; loops are allowed.

    Args:
        funnel: the map.
        forever: for each stage, (exits,) shares that some day leave by each exit.
        goals: places to be reached; by default those that earn.
    """
    places = len(funnel.places)
    onward = np.zeros((places, places))
    for stage, shares in enumerate(forever):
        taken = funnel.targets[stage] >= 0
        np.add.at(onward[stage], funnel.targets[stage][taken], shares[taken])
    earns = np.isin(funnel.places, list(funnel.earns if goals is None else goals))
    onward[earns] = 0.0
    return np.asarray(np.linalg.solve(np.eye(places) - onward, earns.astype(np.float64)))


@dataclass(frozen=True)
class Nodes:
    """Ages between which the chances of many deals are interpolated, as the exact pass has them.

    Args:
        deals: one for each stage, group and age of the lattice that is needed, without an amount.
        low, part: (deals,) number of the node below each open deal, and how far it is to the next.
    """

    deals: OpenDeals
    low: Integers
    part: Floats


def nodes_of(model: Model, deals: OpenDeals) -> Nodes:
    """Return the nodes of a pipeline: chances there tell those of every deal, as `at_ages` interpolates them.

    Args:
        model: without expected dates, which are a clock of single deals.
        deals: however many.
    """
    funnel, table = model.funnel, model.table
    era = int(np.searchsorted(table.starts, funnel.step / 2, side="right")) - 1
    width = funnel.step * table.speed[era]
    oldest = float(table.edges[np.isfinite(table.edges)].max())
    place = np.minimum(deals.age, oldest + 2 * width.max()) / width[deals.group, deals.stage]
    below = place.astype(np.int64)
    most = int(below.max(initial=0)) + 2
    kind = deals.group * len(funnel.stages) + deals.stage
    cell, low = np.unique(kind * most + below, return_inverse=True)
    every = np.unique(np.concatenate([cell, cell + 1]))
    group, stage = np.divmod(every // most, len(funnel.stages))
    age = (every % most) * width[group, stage]
    blank = np.full(len(every), np.nan)
    nodes = OpenDeals(np.arange(len(every)).astype(str).astype(object), stage, group, age, blank)
    return Nodes(nodes, np.searchsorted(every, cell)[low], place - below)


def by_blocks(
    model: Model,
    deals: OpenDeals,
    periods: Sequence[Period],
    *,
    draws: int,
    seed: int = 1,
    common: Floats | None = None,
    whole: bool = False,
    progress: bool = False,
) -> tuple[list[dict[str, dict[str, Distribution]]], pd.DataFrame]:
    """Return the distributions of every period and the deal table of very many open deals, block by block.

    Chances are worked out for the lattice of stage, group and age, so that memory does not grow by draws and
    periods with the number of deals; of their money the cumulants are kept. All lose their expected dates.
    Asked for the whole, a further distribution is that of all periods together.
    """
    model, edges = replace(model, due=None), days_of(tuple(periods), model.as_of)
    nodes, worth = nodes_of(model, deals), amounts(model, deals)
    shared = _shared_out(worth, nodes)
    drawn = draws_of(model, nodes.deals, edges, draws=draws, seed=seed, worth=shared, common=common)
    found = intensities(model, nodes.deals, edges, drawn, whole=whole, progress=progress)
    large = np.zeros(len(deals), dtype=bool)
    for k in range(len(periods)):
        large |= _large_in_some_draw(found.chance[:, :, k], worth, nodes)
    gathered, tables = _Gathered.none(draws, len(periods)), []
    together, all_of, huge = _Gathered.none(draws, 1), found, large
    if whole:
        all_of = joined(found)
        huge = _large_in_some_draw(all_of.chance[:, :, 0], worth, nodes)
    blocks = range(0, len(deals), MOST_AT_ONCE)
    for begin in tqdm(blocks, desc="blocks", disable=not progress, leave=False):
        rows = slice(begin, begin + MOST_AT_ONCE)
        block = _block(found, nodes, rows)
        gathered.add(block, worth[rows], large[rows])
        if whole:
            together.add(_block(all_of, nodes, rows), worth[rows], huge[rows])
        tables.append((block.chance.mean(axis=0), 0.0 if block.more is None else block.more.mean(axis=0)))
    chance = np.concatenate([one for one, _ in tables])
    further = 0.0 if found.more is None else np.concatenate([np.asarray(two) for _, two in tables])
    parts = gathered.distributions(model, found.born)
    parts += together.distributions(model, all_of.born) if whole else []
    return parts, deal_table(model, deals, chance, periods, further)


def _block(found: Intensity, nodes: Nodes, rows: slice) -> Intensity:
    """Return the chances of a block of deals from those at nodes."""
    more = None if found.more is None else _between(found.more, nodes, rows)
    return Intensity(_between(found.chance, nodes, rows), found.born, found.atoms, more)


def _between(values: Floats, nodes: Nodes, rows: slice) -> Floats:
    """Return values at the deals of a block from those at nodes, (nodes,) or (draws, nodes, periods)."""
    axis = 0 if values.ndim == 1 else 1
    part = nodes.part[rows] if values.ndim == 1 else nodes.part[rows, None]
    low = np.take(values, nodes.low[rows], axis=axis)
    mixed: Floats = low + (np.take(values, nodes.low[rows] + 1, axis=axis) - low) * part
    return mixed


def _shared_out(amount: Floats, nodes: Nodes) -> Floats:
    """Return amounts of deals, shared between the nodes around each, (nodes,)."""
    below: Floats = np.bincount(nodes.low, amount * (1 - nodes.part), len(nodes.deals)).astype(np.float64)
    below += np.bincount(nodes.low + 1, amount * nodes.part, len(nodes.deals))
    return below


def _large_in_some_draw(chance: Floats, worth: Floats, nodes: Nodes) -> Flags:
    """Return which deals are too large to be one of many where least is won, (deals,).

    In a poor period's draw the sum deviates less than on average, and an amount weighs more beside it.

    Args:
        chance: (draws, nodes) to win in a period.
        worth: (deals,) money.
    """
    calmest = int(((chance * (1 - chance)) @ _shared_out(worth**2, nodes)).argmin())
    return too_large(worth, _between(chance[calmest], nodes, slice(None)))


@dataclass
class _Gathered:
    """What the blocks have brought so far: cumulants of wins and of money, and the chances of large deals."""

    wins: Floats
    money: Floats
    amount: list[Floats]
    chance: list[Floats]

    @classmethod
    def none(cls, draws: int, periods: int) -> _Gathered:
        """Return nothing yet."""
        shape = (periods, draws, ORDERS)
        return cls(np.zeros(shape), np.zeros(shape), [], [np.zeros((draws, 0, periods))])

    def add(self, block: Intensity, worth: Floats, large: Flags) -> None:
        """Add a block of deals; a further win is one more coin."""
        for chance in (block.chance, *(() if block.more is None else (block.more,))):
            for k in range(chance.shape[2]):
                self.wins[k] += coin_cumulants(np.ones(len(worth)), chance[:, :, k])
                self.money[k] += coin_cumulants(worth[~large], chance[:, ~large, k])
            self.amount.append(worth[large])
            self.chance.append(chance[:, large])

    def distributions(self, model: Model, born: Floats) -> list[dict[str, dict[str, Distribution]]]:
        """Return the distributions of every period."""
        amount, chance = np.concatenate(self.amount), np.concatenate(self.chance, axis=1)
        counts, spread = np.ones((len(model.groups), 1)), model.entries.spread
        found = []
        for k, (wins, money) in enumerate(zip(self.wins, self.money, strict=True)):
            new = born[:, :, k]
            revenue = Crowd(money, amount, chance[:, :, k], new, model.values.amounts, spread)
            number = Crowd(wins, amount[:0], chance[:, :0, k], new, counts, spread)
            found.append({"revenue": crowd_distributions(revenue), "wins": crowd_distributions(number)})
        return found
