"""A what-if: the model as it would be under a scenario's levers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from funnelsim.errors import FunnelError, nearest
from funnelsim.model.entries import Change as IntakeLever
from funnelsim.model.entries import Entries
from funnelsim.model.levers import (
    Lever,
    RateLever,
    ReferralLever,
    RepsLever,
    Scenario,
    SpendLever,
    ValueLever,
    WorkLever,
    table_under,
)
from funnelsim.model.model import Model
from funnelsim.model.rates import RateTable
from funnelsim.model.reps import Draw, Pool
from funnelsim.model.scenario_file import read_scenario
from funnelsim.model.units import DAYS
from funnelsim.model.values import Values

Floats = NDArray[np.float64]

__all__ = ["Scenario", "apply_scenario", "read_scenario"]


def apply_scenario(model: Model, scenario: Scenario) -> Model:
    """Return the model under a scenario; a scenario without changes returns the same object.

    Raises:
        FunnelError: the levers cannot be pulled together, such as a pool that would have fewer than no reps.
    """
    levers = [lever for change in scenario.changes for lever in change.levers]
    if not levers:
        return model
    rates = model.levers + tuple(lever for lever in levers if isinstance(lever, RateLever))
    return replace(
        model,
        table=_table(model, rates),
        levers=rates,
        entries=_entries(model.entries, levers),
        values=_values(model.values, [lever for lever in levers if isinstance(lever, ValueLever)]),
        pools=_pools(model.pools, [lever for lever in levers if isinstance(lever, RepsLever)]),
        work=tuple(replace(w, time=_longer(w.time, i, levers)) for i, w in enumerate(model.work)),
        referrals=tuple(replace(r, mean=r.mean * _factor(i, levers)) for i, r in enumerate(model.referrals)),
    )


def with_sizes(model: Model, sizes: Iterable[str]) -> Model:
    """Return the model with other sizes of some pools, each said as "name=number".

    Raises:
        FunnelError: no such pool, or no whole number of reps.
    """
    names = [pool.name for pool in model.pools]
    levers = []
    for text in sizes:
        name, _, number = text.rpartition("=")
        if name.strip() not in names:
            raise FunnelError(f"reps '{text}': no pool '{name.strip() or text}'; {nearest(name, names)}")
        if not number.strip().isdecimal():
            raise FunnelError(f"reps '{text}': '{number}' given, expected a whole number of reps")
        levers.append(RepsLever(names.index(name.strip()), to=int(number), start=-np.inf))
    return replace(model, pools=_pools(model.pools, levers)) if levers else model


def _table(model: Model, levers: tuple[RateLever, ...]) -> RateTable:
    """Return the rates under all levers, those that the model already has coming first."""
    if levers == model.levers:
        return model.table
    table = model.table
    if not model.levers and table.starts.size > 1:
        raise FunnelError("the model's rates already change at dates; levers on rates need a model without")
    base = RateTable(table.edges, table.rate[:1], table.starts[:1], table.speed[:1])
    return table_under(levers, base)


def _entries(entries: Entries, levers: Sequence[Lever]) -> Entries:
    changes = [lever for lever in levers if isinstance(lever, IntakeLever)]
    spend = [lever for lever in levers if isinstance(lever, SpendLever)]
    for channel in dict.fromkeys(lever.channel for lever in spend):
        changes += _answer([lever for lever in spend if lever.channel == channel])
    return replace(entries, changes=entries.changes + tuple(changes)) if changes else entries


def _answer(levers: Sequence[SpendLever]) -> list[IntakeLever]:
    """Return how a channel's leads answer to all changes of its spend together, between their dates.

    leads multiply by (spend / today) ** elasticity, a lag later; multiplying and adding act in the order
    given.
    """
    moments = sorted({day for lever in levers for day in (lever.start, lever.end)} - {np.inf})
    changes = []
    for start, end in zip(moments, [*moments[1:], np.inf], strict=True):
        first, spend = levers[0], levers[0].today
        for lever in levers:
            if lever.start <= start < lever.end:
                spend = spend * lever.multiply + lever.add
        if spend < -1e-9:
            raise FunnelError(f"the spend on {first.channel} would be {spend:g} per day, less than nothing")
        if spend != first.today:
            answer = (max(spend, 0.0) / first.today) ** first.elasticity
            late = IntakeLever(first.cells, start + first.lag, end + first.lag, answer)
            changes.append(late)
    return changes


def _values(values: Values, levers: Sequence[ValueLever]) -> Values:
    if not levers:
        return values
    factor = np.ones(len(values.ratio))
    for lever in levers:
        factor[list(lever.groups)] *= lever.multiply
    return replace(values, amounts=values.amounts * factor[:, None], ratio=values.ratio * factor)


def _pools(pools: tuple[Pool, ...], levers: Sequence[RepsLever]) -> tuple[Pool, ...]:
    changed = list(pools)
    for lever in levers:
        changed[lever.pool] = _staffed(changed[lever.pool], lever)
    return tuple(changed)


def _staffed(pool: Pool, lever: RepsLever) -> Pool:
    """Return a pool with more or fewer reps between two dates; newcomers have the speed of their ramp.

    Months of strength 0 at the beginning of a ramp are months before they come.
    """
    idle = next((step for step, strength in enumerate(lever.ramp) if strength > 0), len(lever.ramp))
    come = lever.start + DAYS["month"] * idle
    moments = {day for day in (come, lever.end) if come <= day <= lever.end and np.isfinite(day)}
    more = np.array(sorted(moments - set(pool.starts.tolist())))
    starts = np.concatenate([pool.starts, more])
    order = np.argsort(starts, kind="stable")
    before = pool.size[np.searchsorted(pool.starts, more, side="right") - 1]
    starts, size = starts[order], np.concatenate([pool.size, before])[order]
    there = (starts >= come) & (starts < lever.end)
    size[there] = size[there] + lever.add if lever.to is None else lever.to
    if size.min() < 0:
        raise FunnelError(f"the pool '{pool.name}' would have {size.min()} reps")
    changed = replace(pool, starts=starts, size=size, ramp=_ramps(pool, lever.ramp[idle:], order))
    if not lever.ramp[idle:]:
        return changed
    changed.ramp[starts == come, : len(lever.ramp[idle:])] = lever.ramp[idle:]
    changed.ramp[starts == come, len(lever.ramp[idle:]) :] = 1.0
    return replace(changed, ramp_days=DAYS["month"])


def _ramps(pool: Pool, ramp: Sequence[float], order: NDArray[np.intp]) -> Floats:
    """Return a pool's ramps with room for one more, by change of size: the pool's own, then new ones.

    Args:
        ramp: of those who come; empty where the pool's own is theirs.
        order: of the pool's changes and the new ones after them.
    """
    if pool.ramp.ndim == 1 and not ramp:
        return pool.ramp
    if pool.ramp.size and ramp and pool.ramp_days != DAYS["month"]:
        raise FunnelError(
            f"ramp: the pool '{pool.name}' learns in steps of {pool.ramp_days:g} days, not months"
        )
    ramps = np.ones((order.size, max(pool.ramp.shape[-1], len(ramp))))
    ramps[: pool.size.size, : pool.ramp.shape[-1]] = pool.ramp
    return ramps[order]


def _longer(time: Draw, task: int, levers: Sequence[Lever]) -> Draw:
    factors = [lever.multiply for lever in levers if isinstance(lever, WorkLever) and task in lever.tasks]
    return Draw(time.quantiles * float(np.prod(factors))) if factors else time


def _factor(referral: int, levers: Sequence[Lever]) -> float:
    chosen = [lever for lever in levers if isinstance(lever, ReferralLever)]
    return float(np.prod([lever.multiply for lever in chosen if referral in lever.referrals]))
