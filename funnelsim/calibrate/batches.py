"""Days on which many leads left a stage together: letters sent once a year, clean-ups, billing runs."""

from __future__ import annotations

import pandas as pd

from funnelsim.calibrate.evidence import Record
from funnelsim.history.log import DAY

LEAST_LEAVERS = 20
LEAST_SHARE = 0.05
TIMES_A_MEAN_DAY = 10.0


def batch_days(record: Record) -> pd.DataFrame:
    """Return the days on which a batch of leads took an exit.

    A batch has at least twenty leavers, a twentieth of all who ever took the exit, and ten times as many as
    a day has on average.

    Returns:
        stage, exit, day, leavers, share (of all who took the exit), busiest first.

    >>> from funnelsim.calibrate.calibrate import calibrate
    >>> from funnelsim.calibrate.evidence import record_of
    >>> from funnelsim.history.readers import read_history
    >>> from funnelsim.sample import sample_path
    >>> history = read_history(sample_path())
    >>> len(batch_days(record_of(history, calibrate(history))))
    0
    """
    frame = record.frame[record.frame["exit"] != ""]
    day = (record.until + frame["stop"] * DAY).dt.normalize()
    counts = frame.groupby(["stage", "exit", day.rename("day")]).size().rename("leavers").reset_index()
    everyone = counts.groupby(["stage", "exit"])["leavers"].transform("sum")
    counts["share"] = counts["leavers"] / everyone
    watched = max(-float((frame["start"] + frame["since"]).min()), 1.0) if len(frame) else 1.0
    large = (counts["leavers"] >= LEAST_LEAVERS) & (counts["share"] >= LEAST_SHARE)
    found = counts[large & (counts["leavers"] >= TIMES_A_MEAN_DAY * everyone / watched)]
    return found.sort_values("leavers", ascending=False, kind="stable").reset_index(drop=True)


def batch_sentences(record: Record) -> tuple[str, ...]:
    """Say of each exit that was taken in batches when the largest was, and what follows for the forecast."""
    found = batch_days(record)
    said = []
    for (stage, taken), rows in found.groupby(["stage", "exit"], sort=False):
        largest, share = rows.iloc[0], float(rows["share"].sum())
        more = f", and {share:.0%} on {len(rows)} such days" if len(rows) > 1 else ""
        said.append(
            f"Batches: {largest['leavers']:,} moves from {stage} to {taken} fell on "
            f"{largest['day']:%Y-%m-%d}, {largest['share']:.0%} of all{more}; rates spread them over the "
            "ages of those leads. A batch to come is a planned event: state it as a scenario with a `rate` "
            "lever between its dates."
        )
    return tuple(said)
