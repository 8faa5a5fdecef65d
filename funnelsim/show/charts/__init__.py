"""All charts by name, of any result: `fs.charts.fan(forecast)`; importing this makes charts show offline.

What enters: a result (a forecast, a comparison, a check, a run, a record, a plan), read by its frames only.
What leaves: an Altair chart with title, units and what to look at, that needs no network.
Read first `theme` (the look, and the renderer), then `fan`; the others stand for themselves: `forecast`
(origins, width, scenarios), `history` (what happened), `queue` (a run), `backtest` (a record), `budget`.
A chart is added in one of these as a function of a frame, and here as a function of a result.
"""

from __future__ import annotations

from typing import Any, Protocol

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.show.charts.backtest import coverage_chart, pit_chart, record_chart, skill_chart
from funnelsim.show.charts.fan import fan_chart
from funnelsim.show.charts.forecast import (
    bridge_chart,
    budget_chart,
    difference_chart,
    luck_chart,
    split_chart,
    spread_chart,
    swing_chart,
)
from funnelsim.show.charts.history import (
    age_chart,
    dwell_chart,
    funnel_chart,
    incidence_chart,
    intake_chart,
    people_chart,
)
from funnelsim.show.charts.queue import movement_chart, queue_chart, wait_chart
from funnelsim.show.charts.theme import enable, png, use_theme
from funnelsim.show.live import Moving

__all__ = [
    "ages",
    "bridge",
    "budget",
    "coverage",
    "differences",
    "dwell",
    "fan",
    "funnel",
    "incidence",
    "intake",
    "lives",
    "luck",
    "movement",
    "people",
    "pit",
    "png",
    "queue",
    "record",
    "skill",
    "split",
    "spread",
    "swings",
    "waits",
]

use_theme()
enable()


class Expected(Protocol):
    """What a forecast shows of itself."""

    @property
    def periods(self) -> pd.DataFrame: ...
    @property
    def widths(self) -> pd.DataFrame: ...
    @property
    def past(self) -> pd.DataFrame: ...
    @property
    def target(self) -> float: ...
    @property
    def currency(self) -> str: ...
    @property
    def measure(self) -> str: ...


class Checked(Protocol):
    """What a check shows of itself."""

    @property
    def conversion(self) -> pd.DataFrame: ...
    @property
    def incidence(self) -> pd.DataFrame: ...
    @property
    def dwell(self) -> pd.DataFrame: ...
    @property
    def open(self) -> pd.DataFrame: ...
    @property
    def winners(self) -> pd.DataFrame: ...
    @property
    def intake(self) -> pd.DataFrame: ...
    @property
    def currency(self) -> str: ...


class Scored(Protocol):
    """What a record of past forecasts shows of itself."""

    @property
    def currency(self) -> str: ...
    @property
    def measure(self) -> str: ...
    def mine(self, measure: str) -> pd.DataFrame: ...
    def skill(self, measure: str) -> pd.DataFrame: ...
    def coverage(self, measure: str) -> pd.DataFrame: ...


class Wide(Protocol):
    """What a forecast or a comparison shows of its width."""

    @property
    def widths(self) -> pd.DataFrame: ...


class Tabled(Protocol):
    """What a comparison or a plan shows of itself."""

    @property
    def table(self) -> pd.DataFrame: ...
    @property
    def currency(self) -> str: ...


class Swinging(Protocol):
    """What a comparison shows of what its plans hang on."""

    @property
    def rounded(self) -> pd.DataFrame: ...
    @property
    def rounded_swings(self) -> dict[str, pd.DataFrame]: ...
    @property
    def currency(self) -> str: ...


class Bridged(Protocol):
    """What a bridge shows of itself."""

    @property
    def frame(self) -> pd.DataFrame: ...
    @property
    def currency(self) -> str: ...


class Lived(Protocol):
    """What a run shows of itself."""

    @property
    def waits(self) -> pd.DataFrame: ...
    def line(self, pool: str) -> pd.DataFrame: ...
    def movement(self, every: float = 1.0) -> pd.DataFrame: ...
    @property
    def moving(self) -> dict[str, Any]: ...


class Repeated(Protocol):
    """What many replications show of themselves."""

    @property
    def frame(self) -> pd.DataFrame: ...
    @property
    def currency(self) -> str: ...


class Looked(Protocol):
    """What health shows of people."""

    @property
    def people(self) -> pd.DataFrame: ...


def fan(forecast: Expected, measure: str | None = None) -> alt.LayerChart:
    """Draw a forecast as bands beside what happened before, with the target; see `fan_chart`."""
    wanted = measure or forecast.measure
    target = None if np.isnan(forecast.target) or wanted != "revenue" else forecast.target
    widths = forecast.widths if wanted == "revenue" else None
    return fan_chart(forecast.periods, target, forecast.past, widths, forecast.currency, wanted)


def split(forecast: Expected, measure: str | None = None) -> alt.LayerChart:
    """Draw where each period's expected amount comes from; see `split_chart`."""
    return split_chart(forecast.periods, forecast.currency, measure or forecast.measure)


def spread(found: Wide) -> alt.LayerChart:
    """Draw where the width of a forecast, or of the plans compared, comes from; see `spread_chart`."""
    return spread_chart(found.widths)


def luck(replications: Repeated, measure: str = "revenue") -> alt.LayerChart:
    """Draw in how many of many replications so much was booked, with their average; see `luck_chart`."""
    return luck_chart(replications.frame, replications.currency, measure)


def differences(comparison: Tabled) -> alt.LayerChart:
    """Draw what each scenario changes, with its interval; see `difference_chart`."""
    return difference_chart(comparison.table, comparison.currency)


def swings(comparison: Swinging, scenario: str) -> alt.LayerChart:
    """Draw what a plan earns if one lever is weak or strong; see `swing_chart`."""
    last = comparison.rounded.groupby("scenario")["net"].last()  # all periods together
    return swing_chart(comparison.rounded_swings[scenario], float(last[scenario]), comparison.currency)


def bridge(bridge: Bridged) -> alt.LayerChart:
    """Draw what moved an expected revenue from one amount to another; see `bridge_chart`."""
    return bridge_chart(bridge.frame, str(bridge).rstrip("."), bridge.currency)


def budget(plan: Tabled) -> alt.LayerChart:
    """Draw spend now and at its best, channel by channel; see `budget_chart`."""
    return budget_chart(plan.table, plan.currency)


def funnel(check: Checked) -> alt.LayerChart:
    """Draw how many leads entered each stage, and the share of them that won; see `funnel_chart`."""
    return funnel_chart(check.conversion)


def incidence(check: Checked) -> alt.FacetChart:
    """Draw the share that left each stage by each exit, fitted over counted; see `incidence_chart`."""
    return incidence_chart(check.incidence)


def dwell(check: Checked) -> alt.LayerChart:
    """Draw how long leads stay in each stage; see `dwell_chart`."""
    return dwell_chart(check.dwell)


def ages(check: Checked) -> alt.LayerChart:
    """Draw how old the open leads are, beside the ages at which winners moved on; see `age_chart`."""
    return age_chart(check.open, check.winners if len(check.winners) else None, check.currency)


def intake(check: Checked) -> alt.LayerChart:
    """Draw leads that came and those to come, with level and season; see `intake_chart`."""
    return intake_chart(check.intake)


def record(record: Scored, measure: str | None = None) -> alt.LayerChart:
    """Draw what each past forecast said and what then happened; see `record_chart`."""
    wanted = measure or record.measure
    return record_chart(record.mine(wanted), record.currency, wanted)


def pit(record: Scored, measure: str | None = None) -> alt.LayerChart:
    """Draw whether outcomes fell evenly over the forecast distributions; see `pit_chart`."""
    return pit_chart(record.mine(measure or record.measure))


def coverage(record: Scored, measure: str | None = None) -> alt.LayerChart:
    """Draw whether intervals kept their promise, one period ahead; see `coverage_chart`."""
    kept = record.coverage(measure or record.measure)
    return coverage_chart(kept[kept["step"] == 1])


def skill(record: Scored, measure: str | None = None) -> alt.LayerChart:
    """Draw how much smaller the errors are than those of simpler ways; see `skill_chart`."""
    return skill_chart(record.skill(measure or record.measure))


def people(health: Looked) -> alt.LayerChart:
    """Draw how people do on their own mix of leads, with intervals; see `people_chart`."""
    return people_chart(health.people)


def queue(run: Lived, pool: str) -> alt.VConcatChart:
    """Draw how many leads wait for a team and how many of it are busy; see `queue_chart`."""
    return queue_chart(run.line(pool))


def waits(**runs: Lived) -> alt.LayerChart:
    """Draw the share of leads that wait longer than so many days, a line for each named run.

    `waits(today=run, hired=other)`; see `wait_chart`.
    """
    tables = [run.waits.assign(group=name.replace("_", " ")) for name, run in runs.items()]
    return wait_chart(pd.concat(tables, ignore_index=True))


def movement(run: Lived, every: float = 1.0, ends: bool = True) -> alt.FacetChart:
    """Draw how many leads are in each stage, and at each end if wanted, day by day; see `movement_chart`."""
    counts = run.movement(every)
    return movement_chart(counts if ends else counts[~counts["end"].astype(bool)])


def lives(run: Lived) -> Moving:
    """Show the leads of a run as moving dots, on a page that needs no network; see `Moving`."""
    return Moving(run.moving)
