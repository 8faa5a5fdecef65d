"""Visits cut where a lead's expected date moved: what was known while each day was lived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.exits import visits_of
from funnelsim.calibrate.punctual import COLUMN, due_days
from funnelsim.history.log import DAY, History, bookings, days_since, spells
from funnelsim.model.funnel import Funnel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Parts of visits during which a lead's date stayed the same, one element each.

    Args:
        stage, group: numbers.
        exit: position among the stage's exits, -1 while open or when only the date moved.
        start, stop: days since the as-of date, at most 0.
        due: day on which the date's day begins.
        enters: whether the lead came in with it.
        won: day of the lead's first win from `start` on, inf if none is known.
    """

    stage: Integers
    group: Integers
    exit: Integers
    start: Floats
    stop: Floats
    due: Floats
    enters: NDArray[np.bool_]
    won: Floats


def known_dates(history: History) -> pd.DataFrame:
    """Return when each lead's date was known to be what: columns lead, since, until (days), due."""
    leads = history.leads
    known = leads.loc[leads[COLUMN].notna().to_numpy(), COLUMN]
    fixed = pd.DataFrame({"lead": known.index, "date": known.to_numpy(), "since": -np.inf, "until": np.inf})
    if COLUMN in history.updates.columns:
        rows = history.updates[history.updates[COLUMN].notna().to_numpy()]
        rows = rows.sort_values(["lead", "at"], kind="stable").drop_duplicates(["lead", "at"], keep="last")
        moving = pd.DataFrame({"lead": rows["lead"].to_numpy(), "date": rows[COLUMN].to_numpy()})
        moving["since"] = days_since(rows["at"], history.until)
        moving["until"] = moving.groupby("lead")["since"].shift(-1).fillna(np.inf)
        fixed = pd.concat([fixed[~fixed["lead"].isin(rows["lead"])], moving], ignore_index=True)
    fixed["due"] = due_days(pd.Series(pd.to_datetime(fixed["date"])), history.until)
    return fixed.drop(columns="date")


def pieces_of(history: History, funnel: Funnel, groups: Sequence[str], grouped_by: str) -> Pieces:
    """Return the parts of visits with a date; where a date moved, a visit is cut in two.

    A visit's exit belongs to the date that was known just before it: one that is overwritten by the win
    is not the one that the win is judged by.
    """
    visited = spells(history)
    began = float((history.began - history.until) / DAY)
    visits = visits_of(visited, funnel, groups, grouped_by=grouped_by, began=began)
    frame = pd.DataFrame(
        {
            "lead": visited["lead"], "stage": visits.stage, "group": visits.group, "exit": visits.exit,
            "start": visits.start + visits.since, "stop": visits.start + visits.dwell,
            "enters": (visited["entry"] | visited["reopened"]).to_numpy() & (visits.since == 0),
        }
    ).astype({"lead": "str"})  # fmt: skip
    parts = frame.merge(known_dates(history).astype({"lead": "str"}), on="lead")
    at_once = (parts["start"] == parts["stop"]) & parts["start"].between(
        parts["since"], parts["until"], inclusive="left"
    )
    start, stop = parts[["start", "since"]].max(axis=1), parts[["stop", "until"]].min(axis=1)
    parts = parts.assign(
        exit=parts["exit"].where(at_once | (parts["until"] >= parts["stop"]), -1),
        enters=parts["enters"] & (parts["since"] <= parts["start"]),
        start=start, stop=stop,
    )[at_once | (stop > start)]  # fmt: skip
    stage, group, taken = (parts[name].to_numpy(dtype=np.int64) for name in ("stage", "group", "exit"))
    begun, ended, due = (parts[name].to_numpy(dtype=np.float64) for name in ("start", "stop", "due"))
    enters = parts["enters"].to_numpy(dtype=np.bool_)
    return Pieces(stage, group, taken, begun, ended, due, enters, _won_after(history, parts))


def _won_after(history: History, parts: pd.DataFrame) -> Floats:
    """Return the day of each part's lead's first win from the part's start on, inf where none is."""
    booked = bookings(history)
    wins = pd.DataFrame(
        {"lead": booked["lead"].astype("str"), "won": days_since(booked["at"], history.until)}
    )
    asked = pd.DataFrame({"lead": parts["lead"].to_numpy(), "won": parts["start"].to_numpy()})
    asked["row"] = np.arange(len(asked))
    found = pd.merge_asof(
        asked.sort_values("won").rename(columns={"won": "from"}),
        wins.sort_values("won").assign(day=lambda frame: frame["won"]),
        left_on="from", right_on="won", by="lead", direction="forward",
    )  # fmt: skip
    return found.sort_values("row")["day"].fillna(np.inf).to_numpy(dtype=np.float64)
