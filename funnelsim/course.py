"""The exercises' judge: `fs.course.check(lesson, task, answer)` says right, or not yet with a hint.

It works the answer out by a road of its own, and never tells it. Lesson and task are said each time, so that
a cell can be run alone and in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from funnelsim.calibration.calibrate import fit_model
from funnelsim.errors import FunnelError, nearest
from funnelsim.forecasting.exact import at_ages, chances
from funnelsim.history.log import History, bookings
from funnelsim.history.read import read_history
from funnelsim.model.model import Model
from funnelsim.sample import sample_path

__all__ = ["Verdict", "check"]

NEAR = 0.006  # a share read off two decimals counts as right, and so does money rounded to the half per cent
EMPTY = "put your answer in place of the three dots."


@dataclass(frozen=True)
class Verdict:
    """What is said of an answer: whether it is right, and if not yet, a hint."""

    right: bool
    hint: str = ""

    def __str__(self) -> str:
        return "Right." if self.right else f"Not yet: {self.hint}"

    def __repr__(self) -> str:
        return str(self)


Judge = Callable[[Any], str]  # returns a hint, or nothing where the answer is right


def check(lesson: int, task: int, answer: object) -> Verdict:
    """Return whether an answer to a task of a lesson's sheet is right; if not yet, a hint, never the answer.

    Args:
        lesson: number of the lesson.
        task: number of the task on its sheet.
        answer: what the task asks for; three dots where nothing was tried yet.

    Raises:
        FunnelError: there is no such task.

    >>> check(1, 1, ...)
    Not yet: put your answer in place of the three dots.
    """
    if (lesson, task) not in TASKS:
        known = [f"{one}, {two}" for one, two in TASKS]
        raise FunnelError(
            f"lesson {lesson}, task {task}: no such task; {nearest(f'{lesson}, {task}', known)}"
        )
    if answer is ... or answer is None:
        return Verdict(False, EMPTY)
    hint = TASKS[lesson, task](answer)
    return Verdict(not hint, hint)


def _number(value: object) -> float:
    """Return an answer as a number, nan where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return np.nan
    return float(value)


def _near(given: float, wanted: float) -> bool:
    return abs(given - wanted) <= NEAR * max(abs(wanted), 1.0 if abs(wanted) < 1 else abs(wanted))


def _number_judge(wanted: Callable[[], float], hint: str, traps: dict[str, Callable[[], float]]) -> Judge:
    """Return a judge of a number; a trap is what a usual mistake gives, by the hint that helps then."""

    def judge(answer: object) -> str:
        given = _number(answer)
        if np.isnan(given):
            return "the answer is one number."
        if _near(given, wanted()):
            return ""
        return next((words for words, trap in traps.items() if _near(given, trap())), hint)

    return judge


# Lesson 1: thirteen leads of a workshop, known up to 30 May 2026; a lead in Proposal, 69 or 12 days old


@cache
def _workshop() -> Model:
    history = read_history(sample_path("thirteen_leads.csv"), as_of="2026-05-30")
    return fit_model(history, groups="", bins=(0, 1, 30), half_life=np.inf)


@cache
def _won_within(days: float, age: float) -> float:
    model = _workshop()
    found = chances(model.funnel, model.table, np.array([0.0, days]), oldest=100.0)
    proposal = model.funnel.numbers["Proposal"]
    return float(at_ages(found, np.array([0]), np.array([proposal]), np.array([age]))[0, 0])


def _either() -> float:
    return 1 - (1 - _won_within(31, 69)) * (1 - _won_within(31, 12))


def _entry_judge(answer: object) -> str:
    """Judge a funnel of one's own into which leads come at more than one stage."""
    if not isinstance(answer, Model):
        return "the answer is a funnel: what `fs.read_funnel` returns for your file."
    if len(answer.funnel.stages) < 2:
        return "one stage is a waiting room; let there be two at least."
    if not answer.funnel.earns:
        return "nothing is earned here; which place books revenue?"
    entered = {cell.stage for cell in answer.entries.cells}
    if len(entered) < 2:
        return "everyone still begins at the same stage; give `entries` another row."
    return ""


# Lesson 2: the record of Kontor & Kran


@cache
def _record() -> History:
    return read_history(sample_path(), mapping={"currency": "EUR"})


@cache
def _revenue(first: str, after: str) -> float:
    wins = bookings(_record())
    inside = (wins["at"] >= first) & (wins["at"] < after)
    return float(wins.loc[inside.to_numpy(), "value"].sum())


@cache
def _fate() -> tuple[float, float]:
    """Return of those who came to Negotiation in late 2025 the share won within 90 days, and won / closed."""
    events = _record().events
    came = (
        events[(events["stage"] == "Negotiation").to_numpy()].drop_duplicates("lead").set_index("lead")["at"]
    )
    came = came[(came >= "2025-10-01") & (came < "2026-01-01")]
    ends = events[events["stage"].isin(_record().ends).to_numpy()].drop_duplicates("lead", keep="last")
    fate = ends.set_index("lead").reindex(came.index)
    won, at = fate["stage"].eq("Won"), fate["at"]
    early = (at < "2026-01-01").to_numpy()
    within = won & (at - came <= pd.Timedelta(days=90))
    return float(within.mean()), float(won[early].mean())


TASKS: dict[tuple[int, int], Judge] = {
    (1, 1): _number_judge(
        lambda: _won_within(10, 69),
        "the rates of the late age hold for all of the ten days; how many days stand in the exponent?",
        {
            "these are still 31 days.": lambda: _won_within(31, 69),
            "that is the younger lead.": lambda: _won_within(10, 12),
        },
    ),
    (1, 2): _number_judge(
        lambda: _won_within(31, 69),
        "first the chance to leave at all within the days, then the share of leavers that win.",
        {"that is the lead of 12 days; the other one is 69 days old.": lambda: _won_within(31, 12)},
    ),
    (1, 3): _number_judge(
        _either,
        "ask for the opposite first: both fail.",
        {
            "a sum counts the case that both win twice.": lambda: _won_within(31, 69) + _won_within(31, 12),
            "that both win is another question.": lambda: _won_within(31, 69) * _won_within(31, 12),
            "that is how likely both fail.": lambda: 1 - _either(),
        },
    ),
    (1, 4): _entry_judge,
    (2, 1): _number_judge(
        lambda: _revenue("2026-01-01", "2026-04-01"),
        "take the wins from 1 January up to, and without, 1 April 2026, and add up their values.",
        {"that is another quarter: the second.": lambda: _revenue("2026-04-01", "2026-07-01")},
    ),
    (2, 2): _number_judge(
        lambda: _revenue("2026-04-01", "2026-07-01"),
        "take the wins from 1 April up to, and without, 1 July 2026, and add up their values.",
        {"that is the first quarter.": lambda: _revenue("2026-01-01", "2026-04-01")},
    ),
    (2, 3): _number_judge(
        lambda: _fate()[0],
        "all of the cohort stand below the line, open ones too; above it those who won within 90 days.",
        {"that is won / closed: slow deals are missing from it.": lambda: _fate()[1]},
    ),
}
