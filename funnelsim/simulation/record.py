"""What a simulation leaves: a run's leads and rows as arrays, and as a log that is itself a history."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers, Words
from funnelsim.cards import card
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import History
from funnelsim.history.metrics import HORIZON, Cohort, aalen_johansen
from funnelsim.history.read import read_history
from funnelsim.model.model import Model, OpenDeals
from funnelsim.simulation.births import Start, worths
from funnelsim.simulation.compiled import Lives, RepVisits
from funnelsim.simulation.step import Rules

OPEN, NEW = 0, 1


@dataclass(frozen=True)
class Run:
    """One replicate of all lives up to a day.

    Leads are ordered: open deals as given, new leads by day, way in and number, referred leads by identity.
    Rows are ordered by lead, then time: one for each place that a lead entered from day 0 on.

    Args:
        model, days, open_deals: what was simulated, for how many days, from which pipeline.
        lead: (leads,) identities.
        stage: (leads,) stage in which each began: in the pipeline, or by entering the funnel.
        group: (leads,) group numbers.
        channel: (leads,) channels; "" for open deals.
        origin: (leads,) OPEN or NEW.
        value: (leads,) what each books when it earns a full share.
        who: (rows,) number of the lead.
        visit: (rows,) moves that the lead had made then, 0 for its entry into the funnel.
        place: (rows,) place number entered.
        day: (rows,) days since the as-of moment.
        visits: visits to stages that need a rep, in the order of leads and visits.
    """

    model: Model
    days: float
    open_deals: OpenDeals
    lead: Words
    stage: Integers
    group: Integers
    channel: NDArray[np.object_]
    origin: Integers
    value: Floats
    who: Integers
    visit: Integers
    place: Integers
    day: Floats
    visits: RepVisits

    @cached_property
    def names(self) -> NDArray[np.object_]:
        """Names of the leads: open deals' own, "new-way-day-number" or "referred-..." for the others."""
        ids = self.lead[len(self.open_deals) :].tolist()
        return np.array([*self.open_deals.name, *map(_name, ids)], dtype=object)

    @cached_property
    def log(self) -> pd.DataFrame:
        """The rows as a history: lead, stage, at, channel, segment, value."""
        places = np.array(self.model.funnel.places, dtype=object)
        groups = np.array(self.model.groups, dtype=object)
        nanoseconds = np.round(self.day * 86400e9).astype(np.int64)
        return pd.DataFrame(
            {
                "lead": self.names[self.who],
                "stage": places[self.place],
                "at": self.model.as_of + pd.to_timedelta(nanoseconds, unit="ns"),
                "channel": self.channel[self.who],
                "segment": groups[self.group[self.who]],
                "value": self.value[self.who] * self._prices,
            }
        )

    @property
    def _prices(self) -> Floats:
        """Factor on the value of each row: another price where a win is signed at one, else 1."""
        prices = self.model.values.signing_prices(self.day)
        won = (self.model.funnel.booked[self.place] > 0) & (self.visit > 0)
        return np.where(won, prices[self.group[self.who], np.arange(len(self.day))], 1.0)

    @cached_property
    def history(self) -> History:
        """The run as a history, known until its last day."""
        mapping: dict[str, object] = {**self.model.funnel.roles}
        if self.model.currency:
            mapping["currency"] = self.model.currency
        end = self.model.as_of + pd.Timedelta(days=self.days)
        return read_history(self.log, mapping=mapping, as_of=end)

    def line(self, pool: str) -> pd.DataFrame:
        """Who waits for a team and who of it is at work; see `queue_days`."""
        return queue_days(self, pool)

    def movement(self, every: float = 1.0) -> pd.DataFrame:
        """How many leads are in each stage and end, day by day; see `movement_days`."""
        return movement_days(self, every)

    @cached_property
    def stages(self) -> pd.DataFrame:
        """Who came into each stage, from where, and who is there at the end; see `stage_table`."""
        return stage_table(self)

    @cached_property
    def exits(self) -> pd.DataFrame:
        """Where leads went from each stage, beside what was stated; see `exit_table`."""
        return exit_table(self, self.horizon)

    @property
    def horizon(self) -> float:
        """Days within which a conversion is read: a quarter, or a third of a run under half a year."""
        return HORIZON if self.days >= 2 * HORIZON else max(self.days // 3, min(self.days / 3, 1.0))

    @cached_property
    def moving(self) -> dict[str, Any]:
        """What the page of moving leads is handed; see `funnelsim.simulation.moving`."""
        from funnelsim.simulation.moving import moving

        return moving(self)

    def __str__(self) -> str:
        roles, stages = self.model.funnel.roles, self.log["stage"]
        goal, name = (
            (roles["won"], "wins") if roles["won"] else (roles["handed_over"], "handed over, no wins,")
        )
        reached = int(stages.isin(goal).sum())
        return (
            f"{self.model.funnel.name}, {self.days:g} days: {len(self.lead):,} leads lived, "
            f"{reached:,} {name} of {len(self.log):,} moves."
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        last = self.movement(max(self.days, 1.0)).drop_duplicates("stage", keep="last")
        return card(str(self), last[["stage", "leads"]].rename(columns={"leads": "leads on the last day"}))

    @cached_property
    def waits(self) -> pd.DataFrame:
        """Visits to stages that need a rep: lead, stage, pool, joined, began, done, wait, gave_up; in days.

        `began` is empty for a lead that gave up or still waits, `done` also where work goes on; `wait` is
        the days in line, up to the end of the run for those that still wait.
        """
        who, visit, task = self.visits.number.T
        joined, began, done = self.visits.moment.T
        key = self.who * (1 << 24) + self.visit
        after = who * (1 << 24) + visit + 1
        next_row = np.minimum(np.searchsorted(key, after), max(key.size - 1, 0))
        gone = np.isnan(began) & (key[next_row] == after if key.size else False)
        end = np.where(
            np.isnan(began), np.where(gone, self.day[next_row] if key.size else 0.0, self.days), began
        )
        stages = np.array([self.model.funnel.stages[one.stage] for one in self.model.work], dtype=object)
        pools = np.array([self.model.pools[one.pool].name for one in self.model.work], dtype=object)
        return pd.DataFrame(
            {
                "lead": self.names[who], "stage": stages[task], "pool": pools[task],
                "joined": joined, "began": began, "done": done, "wait": end - joined, "gave_up": gone,
            }
        )  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """What each replicate booked in each period.

    Args:
        revenue: (replications, periods, 2) money; last axis open deals, new leads.
        wins: (replications, periods, 2) revenue events.
    """

    revenue: Floats
    wins: Floats


def run_of(model: Model, days: float, deals: OpenDeals, rules: Rules, start: Start, lives: Lives) -> Run:
    """Return what an engine leaves as a run, its leads in an order that does not depend on the engine.

    Args:
        lives: rows and visits to rep stages in any order, with a row of visit 0 for each lead born.
    """
    rows, visits = lives.rows, lives.visits
    identity, number, before, visit, place = rows.number.T
    births = visit == 0
    new, first = identity[births].astype(np.uint64), number[births]
    rank = np.argsort(new ^ np.uint64(1 << 63), kind="stable")
    number_in_run = np.arange(len(deals) + new.size)
    number_in_run[first[rank]] = len(deals) + np.arange(new.size)
    lead = np.concatenate([start.lead, new[rank]])
    kind = np.concatenate([start.kind, before[births][rank]])
    who = number_in_run[number]
    order: Integers | slice = slice(None)
    if np.any(np.diff(who) < 0):
        order = np.lexsort((visit, who))
    stage = kind % len(model.funnel.stages)
    entered = np.where(births, before % len(model.funnel.stages), place)
    return Run(
        model, days, deals, lead, stage, kind // len(model.funnel.stages), _channels(model, lead, len(deals)),
        np.where(np.arange(lead.size) < len(deals), OPEN, NEW), worths(rules, start, lead, kind),
        who[order], visit[order], entered[order], rows.moment[order], _work(visits, number_in_run),
    )  # fmt: skip


def _work(visits: RepVisits, number_in_run: Integers) -> RepVisits:
    """Return visits to rep stages in order, leads numbered as in the run."""
    number = visits.number.copy()
    number[:, 0] = number_in_run[number[:, 0]]
    order = np.lexsort((number[:, 1], number[:, 0]))
    return RepVisits(number[order], visits.moment[order])


def _channels(model: Model, lead: Words, opened: int) -> NDArray[np.object_]:
    """Return the channel of each lead, read from its identity."""
    words = lead[opened:]
    known = np.array(
        ["", *(cell.channel for cell in model.entries.cells), *(kind.channel for kind in model.referrals)],
        dtype=object,
    )
    cell = (words >> np.uint64(32)).astype(np.int64) & 0xFFFF
    referral = (words >> np.uint64(58)).astype(np.int64) & 0xF
    number = np.where(words >> np.uint64(63) == 1, cell, len(model.entries.cells) + referral)
    channels: NDArray[np.object_] = known[np.concatenate([np.zeros(opened, dtype=np.int64), 1 + number])]
    return channels


def _name(word: int) -> str:
    """Return the name of a lead that was not in the pipeline.

    >>> _name(1 << 63 | 30 << 48 | 2 << 32 | 4), _name(1 << 62)
    ('new-2-30-4', 'referred-4000000000000000')
    """
    if word >> 63:
        return f"new-{word >> 32 & 0xFFFF}-{word >> 48 & 0x7FFF}-{word & 0xFFFFFFFF}"
    return f"referred-{word:016x}"


def queue_days(run: Run, pool: str) -> pd.DataFrame:
    """Return who waits for a team and who of it is at work, a row for each moment at which that changes.

    Args:
        run: what a simulation left.
        pool: name of the team.

    Returns:
        day (days since the as-of moment; a row holds until the next, the last is the end of the run),
        waiting (leads in line), busy (reps: deals in work, also over night, by the deals that a rep
        carries) and size (reps on the team).

    Raises:
        FunnelError: the model has no team of that name.
    """
    teams = {team.name: team for team in run.model.pools}
    if pool not in teams:
        raise FunnelError(f"no team is called '{pool}'; {nearest(pool, teams)}")
    team, visits = teams[pool], run.waits[run.waits["pool"] == pool]
    joined, began, done = (visits[name].to_numpy(dtype=float) for name in ("joined", "began", "done"))
    # began - joined + joined may miss began by a rounding: the moment itself is taken where there is one
    left = np.where(np.isnan(began), joined + visits["wait"].to_numpy(dtype=float), began)
    left = left[visits["gave_up"].to_numpy(dtype=bool) | ~np.isnan(began)]
    moments = np.concatenate([[0.0, run.days], team.starts, joined, left, began, done])
    day = np.unique(moments[(moments >= 0) & (moments <= run.days)])
    return pd.DataFrame(
        {
            "day": day,
            "waiting": _until(joined, day) - _until(left, day),
            "busy": (_until(began, day) - _until(done, day)) / team.capacity,
            "size": team.size[np.searchsorted(team.starts, day, side="right") - 1],
        }
    )


def movement_days(run: Run, every: float = 1.0) -> pd.DataFrame:
    """Return how many leads are in each stage and how many have come to each end, at evenly spaced moments.

    Args:
        run: what a simulation left.
        every: days between two moments; the first is day 0.

    Returns:
        stage (stages, then ends), day (days since the as-of moment), leads (there at that moment), end.

    Raises:
        FunnelError: moments that are not some days apart.
    """
    if not every > 0:
        raise FunnelError(f"{every:g} days between two moments; expected more than 0")
    funnel, day = run.model.funnel, np.arange(0.0, run.days + every / 2, every)
    day = np.minimum(day, run.days)
    opened = np.flatnonzero(run.origin == OPEN)
    who, visit = np.append(opened, run.who), np.append(np.full(opened.size, -1), run.visit)
    place, came = np.append(run.stage[opened], run.place), np.append(np.zeros(opened.size), run.day)
    order = np.lexsort((visit, who))
    who, place, came = who[order], place[order], came[order]
    moved = np.flatnonzero(who[1:] == who[:-1])
    left_place, left = place[moved], came[moved + 1]
    counts = [_until(came[place == one], day) - _until(left[left_place == one], day)
              for one in range(len(funnel.places))]  # fmt: skip
    return pd.DataFrame(
        {
            "stage": np.repeat(np.array(funnel.places, dtype=object), day.size),
            "day": np.tile(day, len(funnel.places)),
            "leads": np.concatenate(counts),
            "end": np.repeat(np.arange(len(funnel.places)) >= len(funnel.stages), day.size),
        }
    )


def stage_table(run: Run) -> pd.DataFrame:
    """Return who came into each stage and from where, how long they stayed, and who is there at the end.

    Args:
        run: what a simulation left.

    Returns:
        stage, from_outside, from_stages (entries), half_leave_within (days, open visits counted for as long
        as they last; nan where under half have left by then),
        at_the_end (leads there on the last day), overdue (of these, there for longer than `alert_after`).
    """
    funnel, rows = run.model.funnel, []
    last = np.append(run.who[1:] != run.who[:-1], True) if run.who.size else np.zeros(0, dtype=bool)
    stay = np.where(last, run.days, np.roll(run.day, -1)) - run.day
    limits = run.model.max_days or (np.inf,) * len(funnel.stages)
    for number, stage in enumerate(funnel.stages):
        here = run.place == number
        fresh = here & (run.visit == 0)
        rows.append(
            {
                "stage": stage,
                "from_outside": int(fresh.sum()),
                "from_stages": int((here & ~fresh).sum()),
                "half_leave_within": _half(stay[here], ~last[here]),
                "at_the_end": int((here & last).sum()),
                "overdue": int((here & last & (stay > limits[number])).sum()),
            }
        )
    return pd.DataFrame(rows)


def _half(stay: Floats, gone: NDArray[np.bool_]) -> float:
    """Return the days within which half have left, by the product-limit estimate (Kaplan and Meier 1958)."""
    left = aalen_johansen(Cohort(stay, gone.astype(np.int64), np.zeros(stay.size)), 1)
    half = np.flatnonzero(left.share >= 0.5)
    return float(left.days[half[0]]) if half.size else np.nan


def exit_table(run: Run, days: float) -> pd.DataFrame:
    """Return where leads went from each stage within so many days, of those who entered that long ago.

    Args:
        run: what a simulation left.
        days: within which.

    Returns:
        stage, exit, chance (stated, of ever leaving that way; nan where the model is fitted or has several
        segments), within (share that left that way within the days), visits (those that it is a share of).
    """
    from funnelsim.simulation.moving import stated_chances

    funnel, rows = run.model.funnel, []
    alone = run.model.counts is None and len(run.model.groups) == 1
    chance = stated_chances(run.model)[0] if alone else None
    more = np.append(run.who[1:] == run.who[:-1], False) if run.who.size else np.zeros(0, dtype=bool)
    soon = more & (np.roll(run.day, -1) - run.day <= days)
    for number, (stage, exits) in enumerate(zip(funnel.stages, funnel.exits, strict=True)):
        cohort = (run.place == number) & (run.day + days <= run.days)
        for column, place in enumerate(exits):
            went = cohort & soon & (np.roll(run.place, -1) == funnel.numbers[place])
            rows.append(
                {
                    "stage": stage,
                    "exit": place,
                    "chance": chance[number][column] if chance else np.nan,
                    "within": went.sum() / cohort.sum() if cohort.any() else np.nan,
                    "visits": int(cohort.sum()),
                }
            )
    return pd.DataFrame(rows)


def _until(moments: Floats, day: Floats) -> NDArray[np.int64]:
    """Return how many of the moments, those that are known, have come by each day."""
    return np.searchsorted(np.sort(moments[~np.isnan(moments)]), day, side="right")
