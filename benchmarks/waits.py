"""Do simulated reps wait as real staff did? Loan applications of a bank, whose log tells both.

    python benchmarks/waits.py FOLDER [--days 730]

FOLDER holds events.parquet (case, seq, activity, transition, timestamp, resource) of the BPI Challenge 2012.
A work item is scheduled, started and completed by staff, so its log shows the waits that a simulation of reps
must find by itself. A lead is an application, a stage the work item scheduled last. Two teams: those who
mostly validate, and all others; each works in its usual hours, with as many people as were there at a time.
Given only teams, minutes of work, and the fitted funnel, `with_reps` finds the customers' own time; the table
sets its waits and stage times beside those of the log.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.calibration.calibrate import fit_model
from funnelsim.history.log import History, spells
from funnelsim.history.read import read_history
from funnelsim.model.funnel import Draw, Pool, Work
from funnelsim.model.model import Model
from funnelsim.simulation.record import Run
from funnelsim.simulation.run import run_model
from funnelsim.simulation.with_reps import WithReps, with_reps

STAGES = {
    "W_Afhandelen leads": "Leads", "W_Completeren aanvraag": "Application", "W_Nabellen offertes": "Offer",
    "W_Valideren aanvraag": "Validation", "W_Nabellen incomplete dossiers": "Papers",
}  # fmt: skip
ENDS = {"A_APPROVED": "Won", "A_DECLINED": "Lost", "A_CANCELLED": "Lost"}
TEAMS = ("service desk", "validation")
BINS = (0, 0.01, 0.03, 0.1, 0.25, 0.5, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90)
DAY = pd.Timedelta(days=1)
LEFT_OPEN = 4 / 24
CAP = 45.0


@dataclass(frozen=True)
class Tried:
    """What was observed, and what reps on the fitted funnel make of it.

    Args:
        history: stages by work item scheduled last.
        visits: one row per stay: stage, start, stop, stay, wait (nan if never worked on), work, all in days.
        fitted: the model without reps, leads coming at their usual time of day.
        found: the model with reps.
    """

    history: History
    visits: pd.DataFrame
    fitted: Model
    found: WithReps


def tried(folder: Path, days: float = 730.0) -> Tried:
    """Return all that the table and the tests compare."""
    events = read_events(folder)
    history = history_of(events)
    work = work_of(events)
    visits = visits_of(history, work)
    plain = fit_model(history, groups="", bins=BINS, half_life=np.inf)
    came = history.until + pd.to_timedelta(visits.loc[visits["entry"], "start"], unit="D")
    fitted = replace(plain, entries=replace(plain.entries, clock=clock_of(came)))
    team = team_of(work)
    pools = [pool_of(name, work[team == name], history.until, days) for name in TEAMS]
    tasks = tasks_of(fitted, visits)
    return Tried(history, visits, fitted, with_reps(fitted, pools, tasks, days=days))


def clock_of(moments: pd.Series) -> Floats:
    """Return at which parts of the day moments lie, as 1,441 quantiles; empty where only dates are known.

    >>> clock_of(pd.Series(pd.to_datetime(["2026-01-05 06:00", "2026-01-09 18:00"])))[[0, 720, 1440]]
    array([0.25, 0.5 , 0.75])
    >>> clock_of(pd.Series(pd.to_datetime(["2026-01-05", "2026-01-09"]))).size
    0
    """
    part = ((moments - moments.dt.normalize()) / pd.Timedelta(days=1)).to_numpy()
    if not np.any(part > 0):
        return np.zeros(0)
    return np.asarray(np.quantile(part, np.linspace(0.0, 1.0, 1441)), dtype=np.float64)


def read_events(folder: Path) -> pd.DataFrame:
    """Return the events in order, at local time, because office hours are local."""
    events = pd.read_parquet(folder / "events.parquet").sort_values(["case", "seq"])
    local = events["timestamp"].dt.tz_convert("Europe/Amsterdam").dt.tz_localize(None)
    return events.assign(at=local.astype("datetime64[ns]"), stage=events["activity"].map(STAGES | ENDS))


def history_of(events: pd.DataFrame) -> History:
    """Return the history of applications that staff had to work on."""
    kept = events[events["activity"].isin(ENDS) | (events["transition"] == "SCHEDULE")].dropna(subset="stage")
    before = kept.groupby("case")["stage"].shift().fillna("")
    at_once = (before == "") & kept["activity"].isin(ENDS)
    kept = kept[(kept["stage"] != before) & ~at_once]
    columns = {"lead": "case", "stage": "stage", "at": "at"}
    said: dict[str, object] = {"columns": columns, "won": ["Won"], "lost": ["Lost"]}
    return read_history(kept[list(columns.values())], said, as_of=events["at"].max().normalize())


def work_of(events: pd.DataFrame) -> pd.DataFrame:
    """Return each piece of work: case, stage, resource, at, days; what was left open is left out."""
    kept = events[events["activity"].isin(STAGES) & (events["transition"] != "SCHEDULE")]
    one = kept.groupby(["case", "activity"])
    kept = kept.assign(days=(one["at"].shift(-1) - kept["at"]) / DAY, then=one["transition"].shift(-1))
    kept = kept[(kept["transition"] == "START") & (kept["then"] == "COMPLETE")]
    return kept.loc[kept["days"] < LEFT_OPEN, ["case", "stage", "resource", "at", "days"]]


def visits_of(history: History, work: pd.DataFrame) -> pd.DataFrame:
    """Return the stays with their waits and their work."""
    visits = spells(history)
    visits["began"] = (history.until + pd.to_timedelta(visits["start"], unit="D")).astype("datetime64[ns]")
    stays = visits[["lead", "stage", "began"]].sort_values("began")
    met = pd.merge_asof(
        work.rename(columns={"case": "lead"}).sort_values("at"), stays, left_on="at", right_on="began",
        by=["lead", "stage"],
    ).dropna(subset="began")  # fmt: skip
    done = met.groupby(["lead", "stage", "began"]).agg(first=("at", "min"), work=("days", "sum"))
    visits = visits.merge(done.reset_index(), on=["lead", "stage", "began"], how="left")
    return visits.assign(
        wait=(visits["first"] - visits["began"]) / DAY, stay=visits["stop"] - visits["start"]
    )


def team_of(work: pd.DataFrame) -> pd.Series:
    """Return the team of each piece of work, by what its person does mostly."""
    validates = (work["stage"] == "Validation").groupby(work["resource"]).mean() > 0.5
    return work["resource"].map(validates).fillna(False).map({False: TEAMS[0], True: TEAMS[1]})


def pool_of(name: str, work: pd.DataFrame, until: pd.Timestamp, days: float) -> Pool:
    """Return a team with its usual hours on each weekday, and as many reps as were there at a time."""
    date = work["at"].dt.normalize()
    by_weekday = ((work["at"] - date) / DAY).groupby(date.dt.day_of_week)
    hours = by_weekday.quantile([0.01, 0.99]).unstack().reindex(range(7), fill_value=0.0)
    hours = (hours * 24).round().to_numpy() / 24
    span = work.groupby([date, "resource"])["at"].agg(["min", "max"])
    there = ((span["max"] - span["min"]) / DAY).groupby(level=0).sum()
    there = there.reindex(pd.date_range(there.index.min(), there.index.max()), fill_value=0.0)
    mean = there.groupby(there.index.day_of_week).mean().to_numpy()
    long = hours[:, 1] - hours[:, 0]
    staff = np.round(np.divide(mean, long, out=np.zeros(7), where=long > 0)).astype(np.int64)
    day = np.arange(int(days))
    size = staff[(until.day_of_week + day) % 7]
    new = np.append(True, size[1:] != size[:-1])
    starts = np.append(-np.inf, day[new][1:].astype(float))
    return Pool(name, starts, size[new], week=np.where(staff > 0, long, 0.0), opens=hours[:, 0])


def tasks_of(model: Model, visits: pd.DataFrame) -> list[Work]:
    """Return the work of each stage: all that was done in one stay, as one piece."""
    tasks = []
    for number, stage in enumerate(model.funnel.stages):
        seen = visits.loc[(visits["stage"] == stage) & (visits["work"] > 0), "work"]
        draw = Draw(np.quantile(seen, np.linspace(0, 1, 501)))
        tasks.append(Work(number, TEAMS.index("validation") if stage == "Validation" else 0, draw))
    return tasks


def stays_of(run: Run) -> pd.DataFrame:
    """Return the stays of a run: stage, start, stay, counted up to the run's end."""
    stages = np.array(run.model.funnel.places, dtype=object)
    ends = np.append(run.day[1:], run.days)
    ends[np.append(run.who[1:] != run.who[:-1], True)] = run.days
    stays = pd.DataFrame({"stage": stages[run.place], "start": run.day, "stay": ends - run.day})
    return stays[run.place < len(run.model.funnel.stages)]


def capped(stays: pd.DataFrame, first: float, last: float) -> pd.DataFrame:
    """Return mean and standard error of min(stay, CAP) by stage, of stays begun between two days.

    Where `last` is CAP days before the end of what is known, no stay is cut short by that end.
    """
    seen = stays[(stays["start"] >= first) & (stays["start"] < last)]
    return seen["stay"].clip(upper=CAP).groupby(seen["stage"]).agg(["mean", "sem", "size"])


def main() -> None:
    """Print waits and stage times, observed and simulated."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=float, default=730.0, help="simulated days")
    given = parser.parse_args()
    done = tried(given.folder, given.days)
    run = run_model(done.found.model, given.days, seed=2)
    print("Teams")
    for pool in done.found.model.pools:
        print(f"  {pool.name}: {', '.join(hours_of(pool, done.history.until))}")
    print("\nDays until staff began (mean, and deciles 10, 50, 90)")
    print(side_by_side(done.visits.dropna(subset="wait"), run.waits[run.waits["joined"] > given.days / 4]))
    print(f"\nDays in the stage, at most {CAP:.0f} (mean)")
    until = given.days - CAP
    times = {
        "log": capped(done.visits, -np.inf, -CAP)["mean"],
        "fitted": capped(stays_of(run_model(done.fitted, given.days, seed=2)), 0, until)["mean"],
        "with reps": capped(stays_of(run), given.days / 4, until)["mean"],
    }
    print(pd.DataFrame(times).reindex(done.fitted.funnel.stages).round(3).to_string())


def hours_of(pool: Pool, until: pd.Timestamp) -> list[str]:
    """Return a team's staff and hours on each weekday, in words."""
    said = []
    for weekday, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        if pool.week[weekday] > 0:
            size = pool.size[np.searchsorted(pool.starts, (weekday - until.day_of_week) % 7, "right") - 1]
            opens = np.broadcast_to(pool.opens, 7)[weekday] * 24
            said.append(f"{name} {size} from {opens:.0f} to {opens + pool.week[weekday] * 24:.0f}")
    return said


def side_by_side(observed: pd.DataFrame, simulated: pd.DataFrame) -> str:
    """Return a table of waits by stage."""
    parts = {}
    for name, waits in (("log", observed), ("simulated", simulated)):
        by_stage = waits.groupby("stage")["wait"]
        deciles = by_stage.quantile([0.1, 0.5, 0.9]).unstack()
        parts[name] = deciles.assign(mean=by_stage.mean())[["mean", 0.1, 0.5, 0.9]]
    return pd.concat(parts, axis=1).reindex(list(STAGES.values())).round(3).to_string()


if __name__ == "__main__":
    main()
