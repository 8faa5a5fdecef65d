"""What a page of moving lives is handed: the funnel and its rates to live by, or a run to play."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.errors import FunnelError
from funnelsim.history.metrics import metrics
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model, expected
from funnelsim.model.rates import model_incidence
from funnelsim.show.page import packed
from funnelsim.show.words import measure_texts

if TYPE_CHECKING:
    from funnelsim.simulation.record import Run

CONTRACT = 1
MOMENTS = 400  # at which a played run is counted: more than a slider's pixels tell apart
# Lives that a browser works out and plays without a pause; beyond it one dot stands for several leads.
MOST_LEADS = 120_000
MOST_DOTS = 450  # in the fullest stage of a played run: more pile up beyond what an eye can follow
MOST_LIVES = 15_000  # dots of a whole played run: a page of a megabyte
NICE = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
FOREVER = 1e7  # days: all that will ever leave have left


def moving(run: Run) -> dict[str, Any]:
    """Return all that the page of moving lives needs, in plain values.

    Where leads do not wait for each other the page works out lives of its own from the rates; else, and where
    rates change with the date, or a pipeline is open, it plays the run.

    Args:
        run: what a simulation left; its model says by which laws.
    """
    model, funnel = run.model, run.model.funnel
    if model.values.signing:
        raise FunnelError("the page of moving leads knows no prices by the day of signing; simulate without")
    why = why_played(run)
    told = {
        "version": CONTRACT,
        "name": funnel.name,
        "asOf": f"{model.as_of:%Y-%m-%d}",
        "days": float(run.days) if why else _span(model, run.days),
        "why": why,
        "stated": model.counts is None,
        "currency": model.currency,
        "places": list(funnel.places),
        "stages": len(funnel.stages),
        "wins": [funnel.numbers[place] for place in funnel.earns],
        "handed": [funnel.numbers[place] for place in funnel.handed_over],
        "booked": (funnel.booked * model.values.mean.mean()).tolist(),
        "groups": list(model.groups),
        "side": [int(stage) for stage in side_stages(funnel)],
        "alert": [float(days) if np.isfinite(days) else None for days in model.max_days]
        or [None] * len(funnel.stages),
        "exits": [[funnel.numbers[place] for place in exits] for exits in funnel.exits],
        "work": sorted({one.stage for one in model.work}),
        "horizon": run.horizon,
        "metrics": _measures(run),
    }
    return told | (_played(run) if why else _laws(model, told["days"]))


def why_played(run: Run) -> str:
    """Return why a page plays a run in place of living by the rates: a few words, or nothing."""
    model = run.model
    reasons = {
        "reps are busy, and leads wait for each other": bool(model.work),
        "a pipeline is open": len(run.open_deals) > 0,
        "rates change with the date": bool((model.table.starts > 0).any()) or model.due is not None,
        "it is fitted to a record, with its calendar and common luck": model.counts is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def side_stages(funnel: Funnel) -> list[int]:
    """Return the stages beside the way: nothing is earned there, no exit leads onward, and one leads back.

    >>> from funnelsim.model.stated import read_funnel
    >>> lead = read_funnel("lead_funnel").funnel
    >>> [lead.stages[stage] for stage in side_stages(lead)]
    ['Dormant']
    """
    found = []
    for stage, exits in enumerate(funnel.exits):
        numbers = [funnel.numbers[place] for place in exits]
        good = {place for place in numbers if funnel.places[place] in (*funnel.earns, *funnel.handed_over)}
        ahead = [place for place in numbers if stage < place < len(funnel.stages)]
        back = [place for place in numbers if place < stage]
        ends = [place for place in good if place >= len(funnel.stages)]
        if back and not ahead and not ends and funnel.stages[stage] not in funnel.earns:
            found.append(stage)
    return found


def _span(model: Model, days: float) -> float:
    """Return the days that a page lives through: all, unless more leads come than a browser should hold."""
    leads = expected(model.entries, max(int(np.ceil(days)), 1)).sum(axis=0)
    enough = int(np.searchsorted(np.cumsum(leads), MOST_LEADS))
    return float(min(days, max(enough, 7)))


def _measures(run: Run) -> list[list[str]]:
    """Return the run's measures as text: measure, scope, value, note."""
    if not len(run.log):
        return []
    table = measure_texts(metrics(run.history, run.horizon))
    columns = (table[name] for name in ("metric", "scope", "value", "unit", "note"))
    return [[str(part) for part in row] for row in zip(*columns, strict=True)]


# Laws to live by


def _laws(model: Model, days: float) -> dict[str, Any]:
    """Return rates, ways in and referrals; rates in six digits."""
    table, funnel, era = model.table, model.funnel, first_era(model)
    laws: list[list[dict[str, Any]]] = []
    for group in range(len(model.groups)):
        laws.append([])
        for stage, exits in enumerate(funnel.exits):
            known = np.isfinite(table.edges[group, stage])
            rate = table.rate[era, group, stage][: len(exits), known].T * table.speed[era, group, stage]
            edges = table.edges[group, stage][known] / table.speed[era, group, stage]
            laws[-1].append({"edges": _six(edges), "rates": [_six(row) for row in rate]})
    leads = expected(model.entries, int(np.ceil(days)))
    cells = model.entries.cells
    channels = list(
        dict.fromkeys([*(one.channel for one in cells), *(one.channel for one in model.referrals)])
    )
    return {
        "channels": channels,
        "laws": laws,
        "chances": stated_chances(model),
        "entries": [
            {
                "stage": one.stage,
                "group": one.group,
                "channel": channels.index(one.channel),
                "leads": _path(row),
            }
            for one, row in zip(cells, leads, strict=True)
        ],
        "referrals": [
            {
                "place": one.place,
                "stage": one.stage,
                "mean": one.mean,
                "delay": _six(one.delay.quantiles[:: max(1, one.delay.quantiles.size // 200)]),
                "channel": channels.index(one.channel),
            }
            for one in model.referrals
        ],
    }  # fmt: skip


def first_era(model: Model) -> int:
    """Return the era that holds on day 0: a lever without a date has one of its own after the base."""
    return int(np.searchsorted(model.table.starts, model.funnel.step / 2, side="right")) - 1


def stated_chances(model: Model) -> list[list[list[float]]]:
    """Return the chance of each exit, by group and stage."""
    table, funnel, era = model.table, model.funnel, first_era(model)
    found: list[list[list[float]]] = []
    for group in range(len(model.groups)):
        found.append([])
        for stage, exits in enumerate(funnel.exits):
            known = np.isfinite(table.edges[group, stage])
            taken = model_incidence(
                table.edges[group, stage][known], table.rate[era, group, stage][:, known], np.array([FOREVER])
            )
            found[-1].append([float(f"{one:.6g}") for one in taken[: len(exits), 0]])
    return found


def _path(leads: Floats) -> list[float]:
    """Return leads a day: one number where every day is alike."""
    return _six(leads[:1] if np.ptp(leads) < 1e-12 else leads)


def _six(values: Floats) -> list[float]:
    return [float(f"{one:.6g}") for one in values]


# A run to play


def _played(run: Run) -> dict[str, Any]:
    """Return some of the run's lives, and at evenly spaced moments how many of all are where."""
    moments = np.linspace(0.0, run.days, MOMENTS + 1)
    here = run.movement(run.days / MOMENTS)
    present = here["leads"].to_numpy().reshape(len(run.model.funnel.places), -1)
    chosen, each, thin = _chosen(run, int(present[: len(run.model.funnel.stages)].max()))
    channels = list(dict.fromkeys(map(str, run.channel)))
    rows = np.flatnonzero(chosen[run.who])
    number = np.cumsum(chosen) - 1
    phases = _phases(run, rows)
    return {
        "channels": channels,
        "each": each,
        "thin": thin,
        "moments": _six(moments),
        "present": [_whole(row) for row in present],
        "entered": [_whole(row) for row in _entered(run, moments)],
        "fresh": [_whole(row) for row in _entered(run, moments, run.visit == 0)],
        "lives": {
            "stage": packed(run.stage[chosen], "u2"),
            "group": packed(run.group[chosen], "u2"),
            "channel": packed([channels.index(str(one)) for one in run.channel[chosen]], "u2"),
            "old": packed((run.origin[chosen] == 0).astype(int), "u2"),
            "referred": packed(_referred(run)[chosen], "u2"),
            "who": packed(number[run.who[rows]], "f8"),
            "place": packed(run.place[rows], "u2"),
            "at": packed(run.day[rows], "f8"),
            "began": packed(phases[0], "f8"),
            "done": packed(phases[1], "f8"),
        },
        "teams": [_team(run, pool.name, moments) for pool in run.model.pools],
    }


def _chosen(run: Run, fullest: int) -> tuple[Integers, int, int]:
    """Return which leads are drawn, for how many a dot stands, and how many times as many of short lives."""
    each = next((one for one in NICE if fullest / one <= MOST_DOTS), NICE[-1])
    visits = np.bincount(run.who, minlength=len(run.lead))
    short = (visits <= 2) & (run.origin != 0)  # its entry, and perhaps an end
    left = max(int((~short).sum()), 1)
    each = max(each, next((one for one in NICE if left / one <= MOST_LIVES), NICE[-1]))
    thin = next((one for one in NICE if short.sum() / each / one <= MOST_LIVES), NICE[-1])
    chosen = np.zeros(len(run.lead), dtype=bool)
    for kind, step in ((~short, each), (short, each * thin)):
        chosen[np.flatnonzero(kind)[step // 2 :: step]] = True
    return chosen, each, thin


def _phases(run: Run, rows: Integers) -> tuple[Floats, Floats]:
    """Return when a rep began and ended work on each visit; nan without work, inf where that has not come."""
    began, done = np.full(rows.size, np.nan), np.full(rows.size, np.nan)
    if not run.model.work:
        return began, done
    key = run.who[rows] * (1 << 24) + run.visit[rows]
    mine = run.visits.number[:, 0] * (1 << 24) + run.visits.number[:, 1]
    spot = np.minimum(np.searchsorted(key, mine), rows.size - 1)
    there = key[spot] == mine
    moment = np.where(np.isnan(run.visits.moment), 1e9, run.visits.moment)
    began[spot[there]], done[spot[there]] = moment[there, 1], moment[there, 2]
    return began, done


def _entered(run: Run, moments: Floats, rows: NDArray[np.bool_] | None = None) -> Integers:
    """Return how many entries into each place (of some rows) there were by each moment, (places, moments)."""
    place, day = (run.place, run.day) if rows is None else (run.place[rows], run.day[rows])
    every = range(len(run.model.funnel.places))
    return np.array([np.searchsorted(np.sort(day[place == one]), moments, side="right") for one in every])


def _referred(run: Run) -> Integers:
    """Return by which referral each lead came, counted from 1, and 0 for all others."""
    words = run.lead.astype(np.uint64)
    bits: Integers = ((words >> np.uint64(58)) & np.uint64(0xF)).astype(np.int64)
    named = np.array([str(name).startswith("referred-") for name in run.names], dtype=bool)
    return np.where(named, bits + 1, 0)


def _team(run: Run, pool: str, moments: Floats) -> dict[str, Any]:
    """Return a team at every moment: who waits for it in each stage, who of it is at work, and its size."""
    line, waits = run.line(pool), run.waits
    spot = np.searchsorted(line["day"].to_numpy(), moments, side="right") - 1
    funnel, waiting = run.model.funnel, {}
    for stage in sorted({one.stage for one in run.model.work if run.model.pools[one.pool].name == pool}):
        rows = waits[(waits["pool"] == pool) & (waits["stage"] == funnel.stages[stage])]
        joined = np.sort(rows["joined"].to_numpy())
        left = np.sort((rows["joined"] + rows["wait"]).to_numpy())
        here = np.searchsorted(joined, moments, side="right") - np.searchsorted(left, moments, side="right")
        waiting[str(stage)] = _whole(here)
    told = {name: _whole(line[name].to_numpy()[spot]) for name in ("busy", "size")}
    return {"name": pool, "stages": [int(stage) for stage in waiting], "waiting": waiting, **told}


def _whole(values: Any) -> list[int]:
    return [int(one) for one in np.asarray(values)]
