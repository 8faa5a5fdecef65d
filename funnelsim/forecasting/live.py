"""What a page that keeps answering is handed: the draws, packed, and a few of them that stand for all."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats, Integers
from funnelsim.errors import FunnelError
from funnelsim.files import write_atomic
from funnelsim.forecasting.forecast import MOST_AT_ONCE, NAMES, Forecast, forecast_periods, totals
from funnelsim.forecasting.intensity import Intensity, draws_of, intensities
from funnelsim.forecasting.periods import Period, days_of
from funnelsim.forecasting.situation import INSTANT, Situation, refuse_thin
from funnelsim.forecasting.split import FOREVER
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.levers import acting_parts
from funnelsim.model.model import Draws, Model, OpenDeals, Spend, amounts, expected, pace_of, run_until
from funnelsim.model.rates import model_incidence
from funnelsim.model.scenario import named_in_words
from funnelsim.show.live import live_document, live_widget, why_sentence
from funnelsim.show.page import framed, packed

if TYPE_CHECKING:
    from anywidget import AnyWidget

# What the page's engine must know to read the rest; a page is one file, so an old one keeps its own.
CONTRACT = 1
# Of 8, 10, 12 and 16 draws with weights, set out from what all 200 say of today's plan, 12 are the fewest as
# near to all as 16 (over 96 positions of the sample's sliders means within 1.0 %, quantiles within 1.4 % of
# the middle 80 %, chances within .011); 8 serve a machine on which 12 would take over a quarter of a second.
DRAGS = (12, 8)
TRIALS = 300  # choices of draws that are compared: more than a hundred find nothing closer
LEAST_SHARE = 0.15  # of an even weight: a draw below counts for nothing, and its neighbour for two
MOST_CHANNELS = 6  # with a slider of their own; the rest are moved together
MOST_STARTS = 6  # months from which a change may begin
LOSSES = (0.0, 0.5, 1.0, 2.0)  # per cent of odds lost for each per cent of price: none, little, as much, much


@dataclass(frozen=True)
class Live:
    """A page on which the forecast answers while odds, days, leads, spend and prices are moved; no Python.

    Args:
        contract: all that the page is handed: version, page (what is shown), engine and drags (what is
            reckoned with; None where the page stands still).
        forecast: today's plan, as `forecast` says it.
        why: why the page stands still, one sentence; empty where it lives.
        language: "en" or "zh".

    A notebook that can show widgets shows the page as one, any other the page in a frame.
    """

    contract: Mapping[str, Any] = field(repr=False)
    forecast: Forecast
    why: str = ""
    language: str = "en"

    @property
    def html(self) -> str:
        """The whole page as text."""
        return live_document(self.contract, self.language)

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, and return its path.

        Raises:
            FunnelError: it cannot be written.
        """
        write_atomic(Path(path), self.html)
        return Path(path)

    def __str__(self) -> str:
        return f"{self.forecast}. {self.why}" if self.why else str(self.forecast)

    def __repr__(self) -> str:
        return str(self)

    @property
    def plan(self) -> str:
        """What a notebook's sliders ask, in words that `compare` takes; "" where all stand as planned."""
        page = self.contract["page"]
        return "; ".join(_asked(page, self.widget.at)) if "widget" in self.__dict__ else ""

    @cached_property
    def widget(self) -> AnyWidget:
        """The page among a notebook's cells; `widget.at` holds the positions of the sliders that are moved.

        Raises:
            FunnelError: the page stands still, or the library that makes widgets is not here.
        """
        if self.why:
            raise FunnelError(f"no widget: {self.why}")
        if find_spec("anywidget") is None:
            raise FunnelError("no widget: 'anywidget' is not installed; `pip install anywidget` brings it")
        return live_widget(self.contract, self.language)

    def _repr_html_(self) -> str:
        return framed(self.html, str(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        # The framed page stays beside it for whoever knows no widgets; without a kernel none is heard.
        if self.why or "ipykernel" not in sys.modules or find_spec("anywidget") is None:
            return {}
        shown = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"application/vnd.jupyter.widget-view+json": shown}


def live_page(
    place: Situation,
    *,
    target: float | None = None,
    draws: int = 200,
    seed: int = 1,
    language: str = "en",
) -> Live:
    """Return the page of a situation; of one that the page's engine does not fit, a still one that says why.

    Args:
        place: what is forecast.
        target: money wanted in each period.
        draws: posterior draws at rest; 12 of them answer while something is moved.
        seed: of the draws.
        language: of the page's words.

    Raises:
        FunnelError: the history is too thin for numbers.
    """
    refuse_thin(place)
    model, deals, edges = place.model, place.deals, days_of(place.periods, place.model.as_of)
    why = why_not_live(model, deals)
    drawn = None if why else draws_of(model, deals, edges, draws=draws, seed=seed)
    found = None if drawn is None else intensities(model, deals, edges, drawn)
    plan = forecast_periods(
        model, deals, place.periods, booked=place.booked, draws=draws, seed=seed, target=target, drawn=drawn,
        found=found,
    )  # fmt: skip
    contract: dict[str, Any] = {"version": CONTRACT, "page": _page_part(place, plan, why)}
    contract |= {"engine": None, "drags": []}
    if drawn is not None and found is not None:
        some = _distinct(drawn)
        contract["engine"] = _engine_part(place, plan, some, edges)
        sold, born, luck = (part[: len(some)] for part in _moments(model, deals, found))
        contract["drags"] = [_drag(few_draws((sold, born, luck), count)) for count in DRAGS]
    return Live(contract, plan, why_sentence(why, language), language)


def why_not_live(model: Model, deals: OpenDeals) -> str:
    """Return why a model cannot be worked out inside a page: a key of `reasons` in the page's words, or "".

    >>> from funnelsim.model.model import nobody
    >>> from funnelsim.model.stated import read_funnel
    >>> why_not_live(read_funnel("saas_marketing_and_sales"), nobody())
    'reps'
    """
    reasons = {
        "reps": bool(model.work),
        "referrals": bool(model.referrals),
        "share": any(share != 1.0 for share in model.funnel.earns.values()),
        "dates": model.due is not None,
        "again": model.funnel.wins_again,
        "signing": bool(model.values.signing),
        "dated": bool((model.table.starts > 0).any()),
        "many": len(deals) > MOST_AT_ONCE,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _distinct(drawn: Draws) -> Draws:
    """Return one draw where all are alike, as those of a stated funnel are, else all."""
    alike = bool((drawn.rates == drawn.rates[:1]).all() and (drawn.common == drawn.common[:1]).all())
    return drawn.some(np.zeros(1, dtype=np.int64)) if alike else drawn


# What the sliders ask


def _asked(page: Mapping[str, Any], at: Mapping[str, int]) -> list[str]:
    """Return in words of a scenario what positions of sliders ask, as `leversOf` of main.js in levers.

    Args:
        page: what the page is told.
        at: whole per cent by slider, or the number of a choice.
    """
    since = f" from {page['starts'][at['from'] - 1]['date']}" if at.get("from") else ""
    found = []
    for name, value in at.items():
        kind, *numbers = name.split("-")
        if kind in ("odds", "days", "leads", "spend") and value:
            found += [f"{words}{since}" for words in _moved(page, kind, [int(one) for one in numbers], value)]
    if price := at.get("price"):
        loss = LOSSES[at.get("loss", 0)]
        found.append(f"price {price:+d}%" + (f" elasticity {loss:g}" if loss else ""))
    return found + ([f"price {at['size']:+d}%"] if at.get("size") else [])


def _moved(page: Mapping[str, Any], kind: str, numbers: Sequence[int], value: int) -> list[str]:
    """Return what one dated slider asks; channels without a name are moved with all, those with one back."""
    first = numbers[0]
    if kind == "odds":
        place = page["places"][page["exits"][first][numbers[1]]]
        return [f"odds {named_in_words(page['places'][first])} > {named_in_words(place)} {value:+d}%"]
    if kind == "days":
        return [f"days {named_in_words(page['places'][first])} {value:+d}%"]
    channel = page["channels"][first]
    if kind == "spend":
        return [f"spend {named_in_words(channel)} {value:+d}%"]
    if channel:
        return [f"leads {value:+d}% by {named_in_words(channel)}"]
    back = [
        f"leads x{1 / (1 + value / 100):.15f} by {named_in_words(name)}" for name in page["channels"] if name
    ]
    return [f"leads {value:+d}%", *back]


# What the engine reckons with


def _engine_part(place: Situation, plan: Forecast, drawn: Draws, edges: Floats) -> dict[str, Any]:
    """Return the numbers of the page's engine; rates in half the digits, which move a mean by 1e-8."""
    model, deals, funnel = place.model, place.deals, place.model.funnel
    era = int(np.searchsorted(model.table.starts, funnel.step / 2, side="right")) - 1
    ways, leads = _ways(model, int(np.ceil(edges[-1])))
    booked = totals(plan, origin="booked")["mean"].iloc[0]
    return {
        "version": CONTRACT,
        "draws": len(drawn),
        "map": {
            "groups": len(model.groups),
            "targets": [[funnel.numbers[place] for place in exits] for exits in funnel.exits],
            "earns": (funnel.booked > 0).astype(int).tolist(),
        },
        "time": _time(model, edges),
        "bins": int(model.table.edges.shape[-1]),
        "edges": packed(model.table.edges, "f8"),
        "speed": packed(model.table.speed[era], "f8"),
        "rates": packed(drawn.rates[:, era][:, :, funnel.targets >= 0], "f4"),
        "common": packed(drawn.common, "f8"),
        "deals": {
            "stage": packed(deals.stage, "u2"),
            "group": packed(deals.group, "u2"),
            "age": packed(deals.age, "f8"),
            "amount": packed(amounts(model, deals), "f8"),
        },
        "atoms": packed(model.values.amounts, "f8"),
        "spread": float(model.entries.spread),
        "booked": float(booked),
        "ways": ways,
        "leads": packed(leads, "f4"),
        "spend": [
            {
                "channel": channel,
                "elasticity": one.elasticity,
                "lag": one.lag_days,
                "parts": acting_parts(one).tolist(),
            }
            for channel, one in _paid(model, channels_of(model, int(np.ceil(edges[-1]))))
        ],
    }


def _spending(model: Model) -> dict[str, Spend]:
    """Return the channels on which money is spent, by name."""
    return {one.channel: one for one in model.entries.spend if one.per_day > 0}


def _paid(model: Model, channels: Sequence[str]) -> list[tuple[int, Spend]]:
    """Return the channels whose spend can be moved, by number."""
    paid = _spending(model)
    return [(number, paid[name]) for number, name in enumerate(channels) if name in paid]


def _unmoved(model: Model, channels: Sequence[str]) -> dict[str, list[str]]:
    """Return channels whose money no slider moves, by why: no slider of their own, or no spend known."""
    paid = _spending(model)
    unknown = [name for name in channels if name and name not in paid]
    return {"crowded": [name for name in paid if name not in channels], "unknown": unknown if paid else []}


def _time(model: Model, edges: Floats) -> dict[str, Any]:
    """Return the lattice of time: for each cell the days that pass in each period at the calendar's pace."""
    step = model.funnel.step
    times = int(np.ceil(edges[-1] / step - 1e-9))
    moments = step * np.arange(times + 1, dtype=np.float64)
    inner = np.clip(edges, moments[:-1, None], moments[1:, None])
    passed = np.diff(run_until(pace_of(model, edges), inner), axis=1)
    beyond = np.maximum(moments[1:] - np.maximum(moments[:-1], edges[-1]), 0.0)
    return {
        "step": step,
        "times": times,
        "periods": len(edges) - 1,
        "days": int(np.ceil(edges[-1])),
        "passed": packed(passed, "f8"),
        "beyond": packed(beyond, "f8"),
    }


def _ways(model: Model, days: int) -> tuple[list[list[int]], Floats]:
    """Return the ways in as stage, group, channel, and the leads a day of each, (ways, days)."""
    names, per_day = channels_of(model, days), expected(model.entries, days)
    ways: dict[tuple[int, int, int], Floats] = {}
    for cell, row in zip(model.entries.cells, per_day, strict=True):
        channel = names.index(cell.channel) if cell.channel in names else len(names) - 1
        way = (cell.stage, cell.group, channel)
        ways[way] = ways.get(way, 0.0) + row
    rows = [row for row in ways.values() if row.any()]
    held = [list(way) for way, row in ways.items() if row.any()]
    return held, np.array(rows).reshape(len(rows), days)


def channels_of(model: Model, days: int) -> list[str]:
    """Return the channels with most leads in the next days, "" standing for all others, if there are any.

    Those whose spend is known come before others into the few that have sliders of their own.
    """
    counts: dict[str, float] = {}
    for cell, leads in zip(model.entries.cells, expected(model.entries, days).sum(axis=1), strict=True):
        counts[cell.channel] = counts.get(cell.channel, 0.0) + float(leads)
    order = sorted((name for name in counts if name and counts[name] > 0), key=lambda name: -counts[name])
    if len(order) <= MOST_CHANNELS and not counts.get("", 0.0):
        return order
    if len(order) < MOST_CHANNELS:
        return [*order, ""]
    paid = _spending(model)
    few = set(sorted(order, key=lambda name: name not in paid)[: MOST_CHANNELS - 1])
    return [*(name for name in order if name in few), ""]


# A few draws that stand for all


def _drag(few: tuple[Integers, Floats]) -> dict[str, list[float]]:
    rows, weights = few
    return {"rows": rows.tolist(), "weights": weights.tolist()}


def _moments(model: Model, deals: OpenDeals, found: Intensity) -> tuple[Floats, Floats, Floats]:
    """Return by draw and period the money expected of open deals and of leads to come, and its variance."""
    worth, atoms = amounts(model, deals), model.values.amounts
    sold = np.einsum("dnk,n->dk", found.chance, worth)
    born = np.einsum("dgk,g->dk", found.born, atoms.mean(axis=1))
    luck = np.einsum("dnk,n->dk", found.chance * (1 - found.chance), worth**2)
    return sold, born, luck + np.einsum("dgk,g->dk", found.born, (atoms**2).mean(axis=1))


def few_draws(moments: tuple[Floats, Floats, Floats], count: int) -> tuple[Integers, Floats]:
    """Return a few draws and their weights, which keep the means of all, and squares and products of money.

    Draws are sorted by their money and cut into strata; of each one is taken. Weights are those nearest to
    even that keep, over all draws, the mean of open, new and variance in each period, and the mean square and
    products of the periods' money. Of many such choices the one that keeps them best is returned.

    Args:
        moments: (draws, periods) money of open deals, of leads to come, and variance.
        count: how many to take.

    Returns:
        rows (count,) ascending, weights (count,) summing to 1.

    >>> one = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> rows, weights = few_draws((one, one, one), 4)
    >>> rows.tolist(), weights.tolist()
    ([0, 1, 2, 3], [0.25, 0.25, 0.25, 0.25])
    """
    draws = len(moments[0])
    if count >= draws:
        return np.arange(draws), np.full(draws, 1 / draws)
    features, order = _features(moments)
    goal, strata = features.mean(axis=1), np.array_split(order, count)
    even = np.array([len(stratum) for stratum in strata]) / draws
    rng = np.random.default_rng(draws)
    best = (np.inf, np.array([stratum[len(stratum) // 2] for stratum in strata]), even)
    for _ in range(TRIALS):
        rows = np.array([rng.choice(stratum) for stratum in strata])
        change = np.linalg.pinv(features[:, rows], rcond=1e-6) @ (goal - features[:, rows] @ even)
        weights = even + change
        missed = float(np.abs(features[:, rows] @ weights - goal).max() + (change**2).sum() / 2)
        if weights.min() > LEAST_SHARE / count and missed < best[0]:
            best = (missed, rows, weights)
    _, rows, weights = best
    turn = np.argsort(rows)
    return rows[turn], weights[turn] / weights.sum()


def _features(moments: tuple[Floats, Floats, Floats]) -> tuple[Floats, Integers]:
    """Return what weights are to keep, (features, draws), and the draws by their money."""
    sold, born, _ = moments
    money = _standard(sold + born)
    columns = [np.ones(len(money)), *(column for one in moments for column in _standard(one).T)]
    periods = range(money.shape[1])
    columns += [money[:, i] * money[:, j] for i in periods for j in periods if i <= j]
    return np.array(columns), np.argsort(money.sum(axis=1), kind="stable")


def _standard(values: Floats) -> Floats:
    spread = values.std(axis=0)
    even: Floats = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return even


# What the page shows


def _page_part(place: Situation, plan: Forecast, why: str) -> dict[str, Any]:
    """Return names, dates, the past, today's plan and the sliders; of single leads nothing."""
    model, funnel = place.model, place.model.funnel
    edges = days_of(place.periods, model.as_of)
    channels = channels_of(model, int(np.ceil(edges[-1])))
    return {
        "name": place.name,
        "asOf": f"{model.as_of - INSTANT:%Y-%m-%d}",
        "currency": model.currency,
        "kind": place.kind,
        "why": why,
        "places": list(funnel.places),
        "exits": [[funnel.numbers[place] for place in exits] for exits in funnel.exits],
        "wins": np.argwhere(winning_exits(funnel) & (funnel.targets >= 0)).tolist(),
        "main": [int(column) for column in main_exits(model)],
        "channels": channels,
        "spend": [{"channel": channel, "perDay": one.per_day} for channel, one in _paid(model, channels)],
        "unmoved": _unmoved(model, channels),
        "days": float(edges[-1]),
        "open": len(place.deals),
        "losses": LOSSES,
        "periods": [period.label for period in place.periods],
        "past": [list(pair) for pair in place.past[["period", "revenue"]].itertuples(index=False)],
        "target": None if np.isnan(plan.target) else plan.target,
        "plan": _plan(plan),
        "starts": _starts(place.periods, model.as_of),
        "notes": list(plan.notes),
    }


def main_exits(model: Model) -> Integers:
    """Return, for each stage, the number of its exit onward that most leads take, else one back.

    Onward is to a later stage, or to a place where revenue is booked.
    """
    funnel, table, found = model.funnel, model.table, []
    for stage, exits in enumerate(funnel.exits):
        known = np.isfinite(table.edges[0, stage])
        rates = table.rate[0, :, stage][..., known].mean(axis=0)
        taken = model_incidence(table.edges[0, stage][known], rates, np.array([FOREVER]))[:, 0]
        rank = [_rank(funnel, stage, place) for place in exits]
        found.append(int(np.argmax(np.array(rank) + taken[: len(exits)])))
    return np.array(found, dtype=np.int64)


def _rank(funnel: Funnel, stage: int, place: str) -> int:
    """Return 2 for an exit onward, 1 for one back, 0 for one that ends a life without money."""
    number = funnel.numbers[place]
    if place in funnel.earns or stage < number < len(funnel.stages):
        return 2
    return int(number < len(funnel.stages))


def _plan(plan: Forecast) -> list[dict[str, Any]]:
    """Return what Python says of today's plan, a dictionary per period."""
    parts = {origin: totals(plan, origin=origin) for origin in ("total", "booked", "open", "new")}
    reach = plan.widths["p_target"].to_numpy(dtype=np.float64)
    total = parts["total"]
    return [
        {
            "mean": float(total["mean"].iloc[k]),
            "sd": float(total["sd"].iloc[k]),
            "quantile": total[NAMES].iloc[k].tolist(),
            "reach": None if np.isnan(reach[k]) else float(reach[k]),
            "booked": float(parts["booked"]["mean"].iloc[k]),
            "open": float(parts["open"]["mean"].iloc[k]),
            "fresh": float(parts["new"]["mean"].iloc[k]),
        }
        for k in range(len(total))
    ]


def _starts(periods: Sequence[Period], as_of: pd.Timestamp) -> list[dict[str, Any]]:
    """Return the first days of the coming months, from which a change may begin: date, days from now."""
    months = pd.date_range(as_of.normalize() + pd.Timedelta(days=1), periods[-1].end, freq="MS")
    inside = [month for month in months if as_of < month < periods[-1].end][:MOST_STARTS]
    return [
        {"date": f"{month:%Y-%m-%d}", "day": float((month - as_of) / pd.Timedelta(days=1))}
        for month in inside
    ]
