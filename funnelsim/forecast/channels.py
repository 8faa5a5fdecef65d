"""What the leads of each channel earn: exact chances, mix of segments, quality of the channel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.exits import group_numbers
from funnelsim.calibrate.posterior import draw_rates, strength
from funnelsim.forecast.exact import chances, from_entries
from funnelsim.forecast.planner import Situation
from funnelsim.history.log import spells
from funnelsim.model.calendar import Calendar, booking_factors
from funnelsim.model.entries import expected
from funnelsim.model.model import Model

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Worth:
    """Leads of each channel that come in a window of days, and what they earn by a last day.

    Args:
        channels: names.
        leads: (channels,) expected leads.
        revenue: (draws, channels) expected money of these leads, under each posterior draw.
        quality: (channels,) wins of the channel's past leads over those expected, shrunk to 1.
    """

    channels: tuple[str, ...]
    leads: Floats
    revenue: Floats
    quality: Floats

    @property
    def per_lead(self) -> Floats:
        """Mean money that one lead of each channel earns, shape (channels,)."""
        each: Floats = self.revenue.mean(axis=0) / np.maximum(self.leads, 1e-12)
        return each


def worth_of_channels(
    place: Situation,
    channels: tuple[str, ...],
    first: Floats,
    days: float,
    until: float,
    *,
    draws: int,
    seed: int,
) -> Worth:
    """Return what the leads of some channels earn until a day: one that comes late earns what it still can.

    revenue of a channel = sum over its ways in and days of leads(day) x P(win by `until` | enters on day) x
    mean value of the segment x quality of the channel. Leads disturb nobody; with full reps each is worth
    less.

    Args:
        place: the company's situation.
        channels: names.
        first: (channels,) first day on which leads count, days since the as-of date.
        days: for how many days they count.
        until: last day on which a win counts.
        draws: posterior draws of rates and qualities.
        seed: of the draws.
    """
    model, end = place.model, int(np.ceil(until))
    leads = expected(model.entries, end)
    for row, cell in enumerate(model.entries.cells):
        start = float(first[channels.index(cell.channel)]) if cell.channel in channels else np.inf
        leads[row] *= _inside(end, start, start + days)
    busy = booking_factors(model.calendar, model.as_of, end) if model.calendar != Calendar() else None

    def one(rate: Floats) -> Floats:
        found = chances(model.funnel, model.table.with_rate(rate), np.array([0.0, until]), busy=busy)
        earned = np.zeros(len(channels))
        for row, cell in enumerate(model.entries.cells):
            if cell.channel in channels:
                wins = from_entries(found, cell.group, cell.stage, leads[row])[0]
                earned[channels.index(cell.channel)] += wins * model.values.mean[cell.group]
        return earned

    rates = draw_rates(model, draws, np.random.default_rng(seed))
    one(rates[0])
    with ThreadPoolExecutor(2) as pool:
        revenue = np.array(list(pool.map(one, rates)))
    quality, drawn = channel_quality(place, channels, draws, np.random.default_rng(seed + 1))
    came = [
        sum(leads[r].sum() for r, c in enumerate(model.entries.cells) if c.channel == name)
        for name in channels
    ]
    return Worth(channels, np.array(came), revenue * drawn, quality)


def channel_quality(
    place: Situation, channels: tuple[str, ...], draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return how much oftener a channel's leads win than their segments and first stages say.

    theta ~ Gamma(k + observed, k + expected), where expected are the wins that the model gives the
    channel's past leads up to today, scaled so that all channels together have as many as were observed.

    Returns:
        Posterior means, shape (channels,), and draws, shape (draws, channels).

    Source: Clayton and Kaldor, Biometrics 1987, doi:10.2307/2532003.
    """
    visits = spells(place.history)
    came = visits[visits["entry"] & (visits["since"] == 0)]
    chance = _won_by_now(place.model, came)
    won = came["lead"].isin(set(place.booked["lead"])).to_numpy(dtype=np.float64)
    sums = pd.DataFrame({"won": won, "chance": chance}).groupby(came["channel"].to_numpy()).sum()
    scale = won.sum() / chance.sum() if chance.sum() > 0 else 1.0
    sums = sums.reindex(list(channels), fill_value=0.0)
    observed, likely = sums["won"].to_numpy(), sums["chance"].to_numpy() * scale
    k = float(strength(observed, likely))
    return (k + observed) / (k + likely), rng.gamma(k + observed, 1.0, (draws, len(channels))) / (k + likely)


def _won_by_now(model: Model, came: pd.DataFrame) -> Floats:
    """Return the chance that the model gives each past lead to have won between its entry and today."""
    age = -came["start"].to_numpy(dtype=np.float64)
    oldest = max(float(age.max(initial=1.0)), 1.0)
    found = chances(model.funnel, model.table, np.array([0.0, oldest]))
    number = {name: row for row, name in enumerate(model.funnel.stages)}
    stage = came["stage"].map(number).to_numpy(dtype=np.int64)
    group = group_numbers(came.get(model.grouped_by), model.groups, len(came))
    # Rates do not change with the date, so a lead of age a has had what one entering at oldest - a has left.
    entry = np.clip(((oldest - age) / found.step).round().astype(np.int64), 0, len(found.at_entry) - 1)
    chance: Floats = found.at_entry[entry, group, stage, 0]
    return chance


def _inside(days: int, start: float, end: float) -> Floats:
    """Return the share of each day that lies between two moments, shape (days,)."""
    left = np.arange(days)
    share: Floats = np.clip(np.minimum(left + 1, end) - np.maximum(left, start), 0.0, 1.0)
    return share
