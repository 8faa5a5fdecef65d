"""The reps, their work and the referrals that a YAML file states."""

from __future__ import annotations

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Funnel
from funnelsim.model.reps import Draw, Pool, Referral, Work
from funnelsim.model.statement import Exit, Statement, Team
from funnelsim.model.units import DAYS, day_number, known

POINTS = 2001


def stated_draw(time: Exit, unit: float) -> Draw:
    """Return a time as a table of quantiles whose last point makes the mean right."""
    if time.fixed is not None:
        return Draw(np.array([time.fixed * unit]))
    law = time.law(unit)
    table = law.isf(np.linspace(1, 1 / (POINTS - 1), POINTS - 1))
    last = 2 * (POINTS - 1) * law.mean() - 2 * table.sum() + table[0]
    return Draw(np.append(table, max(last, table[-1])))


def stated_pool(name: str, team: Team, as_of: pd.Timestamp) -> Pool:
    """Return a team; a size holds from its date on, the first one always, and who comes later ramps up."""
    dates = sorted(team.size)
    starts = np.array([-np.inf, *(day_number(date, as_of) for date in dates[1:])])
    size = np.array([team.size[date] for date in dates], dtype=np.int64)
    holidays = tuple(int(day_number(date, as_of.normalize())) for date in sorted(team.holidays))
    week, opens = np.array(team.hours) / 24, np.array(team.opens or (9.0,) * 7) / 24
    return Pool(
        name, starts, size, team.order, team.capacity, week, holidays, opens, np.array(team.ramp),
        DAYS["month"],
    )  # fmt: skip


def stated_work(statement: Statement, funnel: Funnel, row: int) -> Work:
    """Return the work of one row of `work`, rep time being stated in hours."""
    task, unit = statement.work[row], DAYS[statement.unit]
    where = f"work[{row}]"
    stage = funnel.numbers[known(task.stage, funnel.stages, f"{where}.stage", "stage")]
    pool = list(statement.pools).index(known(task.pool, statement.pools, f"{where}.pool", "pool"))
    names = list(statement.segments)
    groups = (
        ()
        if task.segment is None
        else (names.index(known(task.segment, names, f"{where}.segment", "segment")),)
    )
    if (task.patience is None) != (task.gives_up_to is None):
        raise FunnelError(f"{where}: 'patience' and 'gives_up_to' belong together")
    if task.patience is None or task.gives_up_to is None:
        return Work(stage, pool, stated_draw(task.hours, DAYS["hour"]), groups=groups)
    place = funnel.numbers[known(task.gives_up_to, funnel.places, f"{where}.gives_up_to", "place")]
    hours, patience = stated_draw(task.hours, DAYS["hour"]), stated_draw(task.patience, unit)
    return Work(stage, pool, hours, patience, place, groups)


def stated_referrals(statement: Statement, funnel: Funnel, unit: float) -> tuple[Referral, ...]:
    """Return who brings whom."""
    made = []
    for row, wish in enumerate(statement.referrals):
        place = funnel.numbers[known(wish.place, funnel.places, f"referrals[{row}].place", "place")]
        stage = funnel.numbers[known(wish.stage, funnel.stages, f"referrals[{row}].stage", "stage")]
        made.append(Referral(place, stage, wish.mean, stated_draw(wish.delay, unit), wish.channel))
    return tuple(made)
