"""The whole model in one noun, and the open deals that a forecast starts from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.errors import FunnelError, nearest
from funnelsim.model.calendar import Calendar
from funnelsim.model.due import Due
from funnelsim.model.entries import Entries
from funnelsim.model.funnel import Funnel
from funnelsim.model.levers import RateLever
from funnelsim.model.rates import Counts, RateTable
from funnelsim.model.reps import Pool, Referral, Work
from funnelsim.model.values import Values

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """A funnel with numbers: stated by a person, or fitted to a history.

    Args:
        funnel: the map.
        groups: names of the kinds of lead that have rates and values of their own (segments).
        table: rates of leaving, by group, stage, exit, age and era.
        entries: leads not yet born.
        values: what a win is worth.
        as_of: the moment that day 0 stands for.
        currency: three letters.
        pools, work: reps, and the stages that need their time; empty when waits are in the rates.
        referrals: places whose entering starts new leads elsewhere.
        counts: what the rates were counted from; None when the model is stated.
        win_spread: standard deviation of a common Gamma factor on the win intensity of a period.
        win_level: factor on the counted rates of winning, by which wins lately ran above or below them;
            `table` has it applied.
        calendar: days on which wins are booked; the exact forecast knows it, simulations do not.
        levers: what a scenario does to the rates; `table` has them applied, era 0 being the base.
        max_days: (stages,) days in a stage after which a lead is to be looked at, inf where none.
        grouped_by: the column of the history that the groups come from; "" when there is one group.
        notes: what calibration chose and why, and what it warns of, one sentence each.
        due: how leads with an expected date live, where that date means something; the exact forecast
            knows it, simulations do not.
    """

    funnel: Funnel
    groups: tuple[str, ...]
    table: RateTable
    entries: Entries
    values: Values
    as_of: pd.Timestamp
    currency: str = "EUR"
    pools: tuple[Pool, ...] = ()
    work: tuple[Work, ...] = ()
    referrals: tuple[Referral, ...] = ()
    counts: Counts | None = None
    win_spread: float = 0.0
    win_level: float = 1.0
    calendar: Calendar = field(default_factory=Calendar)
    levers: tuple[RateLever, ...] = ()
    max_days: tuple[float, ...] = ()
    grouped_by: str = "segment"
    notes: tuple[str, ...] = ()
    due: Due | None = None


@dataclass(frozen=True)
class OpenDeals:
    """Leads that are in a stage on the as-of date, one element per lead.

    Args:
        name: (leads,) identifiers, as text.
        stage: (leads,) stage number.
        group: (leads,) group number.
        age: (leads,) days since the lead entered its stage.
        value: (leads,) amount shown, nan where none is.
        due: (leads,) days until the day of the expected close begins, nan where no date is stated; None
            where nobody states one.
    """

    name: NDArray[np.object_]
    stage: Integers
    group: Integers
    age: Floats
    value: Floats
    due: Floats | None = None

    def __len__(self) -> int:
        return len(self.name)


def only(deals: OpenDeals, leads: Iterable[str]) -> OpenDeals:
    """Return the part of a pipeline that some leads are, in the pipeline's order.

    Raises:
        FunnelError: a lead is not in the pipeline.

    >>> only(nobody(), ["4711"])
    Traceback (most recent call last):
    funnelsim.errors.FunnelError: lead '4711' is not open; none is known
    """
    wanted = {str(lead) for lead in leads}
    for lead in sorted(wanted - set(deals.name)):
        raise FunnelError(f"lead '{lead}' is not open; {nearest(lead, deals.name)}")
    rows = np.isin(deals.name.astype(str), sorted(wanted))
    due = None if deals.due is None else deals.due[rows]
    return OpenDeals(
        deals.name[rows], deals.stage[rows], deals.group[rows], deals.age[rows], deals.value[rows], due
    )


def nobody() -> OpenDeals:
    """Return an empty pipeline.

    >>> len(nobody())
    0
    """
    none = np.zeros(0, dtype=np.int64)
    return OpenDeals(np.zeros(0, dtype=object), none, none, np.zeros(0), np.zeros(0))
