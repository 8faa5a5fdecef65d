"""Exercise sheets and their judge: solutions are right, empty sheets are not yet, wrong answers get hints."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funnelsim as fs
from funnelsim import course
from funnelsim.course import Verdict
from funnelsim.errors import FunnelError
from funnelsim.exercises import right
from funnelsim.exercises.tasks import TASKS

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "exercises"
SHEETS = sorted(FOLDER.glob("[0-9][0-9].ipynb"))
# Lesson, task, the mistake, what it answers, and a word of the hint that it gets.
MISTAKES: list[tuple[int, int, str, Any, str]] = [
    (1, 1, "a word", "a half", "one number"),
    (1, 1, "all of the 31 days", 0.379, "still 31 days"),
    (1, 1, "a guess", 0.99, "exponent"),
    (1, 2, "the younger lead", 0.3127, "12 days"),
    (1, 2, "a list", [0.37], "one number"),
    (1, 2, "ten days", 0.1585, "share of leavers"),
    (1, 3, "the sum", 0.6917, "twice"),
    (1, 3, "both", 0.1185, "both win"),
    (1, 3, "neither", 0.4268, "both fail"),
    (1, 4, "a number", 3, "is a funnel"),
    (1, 4, "a name", "mine.yaml", "read_funnel"),
    (1, 4, "one door", lambda: fs.read_funnel("flywheel"), "another row"),
    (2, 1, "the second quarter", 7_719_180, "another quarter"),
    (2, 1, "wins instead of money", 110, "add up their values"),
    (2, 1, "a word", "much", "one number"),
    (2, 2, "the first quarter", lambda: right.won_between("2026-01-01", "2026-04-01"), "first quarter"),
    (2, 2, "one month", 2_736_470, "add up their values"),
    (2, 2, "a table", {}, "one number"),
    (2, 3, "won / closed", 0.667, "won / closed"),
    (2, 3, "in percent", 60, "below the line"),
    (2, 3, "yes", True, "one number"),
    (3, 1, "Negotiation", 5.33, "Negotiation"),
    (3, 1, "the age before", 4.33, "3 to 7"),
    (3, 1, "a share, not per hundred", 0.04, "days that all spent"),
    (3, 2, "Negotiation", 50, "Negotiation"),
    (3, 2, "large deals", 132, "large"),
    (3, 2, "half of 91", 45.5, "day by day"),
    (3, 3, "a long memory", 0.111, "count alike"),
    (3, 3, "small deals", 0.078, "small"),
    (3, 3, "the share itself", 0.315, "less `low`"),
    (3, 4, "raw", 1.5, "raw number"),
    (3, 4, "the middle", 1.25, "how few"),
    (3, 4, "34 on one side", 40 / 4, "expected"),
    (3, 5, "only the number", 0.087, "stage, segment, days, chance"),
    (3, 5, "a fresh deal", ("Proposal", "large", 45, 0.056), "fresh"),
    (3, 5, "no such stage", ("Propsal", "large", 45, 0.087), "did you mean 'Proposal'"),
    (4, 1, "a miss", 0.3083, "miss"),
    (4, 1, "the fourth quarter", 0.6506, "fourth"),
    (4, 1, "6 million", 0.3864, "6 million"),
    (4, 2, "the 80 % quantile", lambda: right.target_of_chance(0.2), "two of ten"),
    (4, 2, "in millions", 3.274, "not in millions"),
    (4, 2, "the mean", 5.5e6, "which quantile"),
    (4, 3, "half of the deals", 711.5, "not of the money"),
    (4, 3, "by size", 37, "times the chance"),
    (4, 3, "one too few", 17, "little less"),
    (4, 4, "July", 0.976, "July"),
    (4, 4, "leads to come", 0.175, "do not exist"),
    (4, 4, "in percent", 82, "origin"),
    (4, 5, "one number", 3e6, "target, chance"),
    (4, 5, "the third quarter", lambda: (3.2e6, right.chance_of_target(3.2e6)), "third"),
    (4, 5, "too bold", lambda: (6e6, right.chance_of_target(6e6, 1)), "70 to 90"),
    (5, 1, "5 %", lambda: 0.05 * sum(right.plan_means()), "5 %"),
    (5, 1, "the third quarter", 166259, "alone"),
    (5, 1, "all of it", lambda: 1.03 * sum(right.plan_means()), "difference"),
    (5, 2, "a quarter of the chance", 0.5, "odds that rise"),
    (5, 2, "the odds", 0.833, "these are the odds"),
    (5, 2, "in percent", 45, "2 to 3"),
    (5, 3, "from October", 0, "1 August"),
    (5, 3, "the fourth quarter", 322_217, "fourth"),
    (5, 3, "both quarters", 571_006, "third quarter only"),
    (5, 4, "the factor", 0.9, "factor"),
    (5, 4, "as the price", 5, "still pays"),
    (5, 4, "0.85", -15, "costs more"),
    (5, 5, "taboo", "price +20%", "leads and days"),
    (5, 5, "too far", "days Proposal -40%", "20 %"),
    (5, 5, "one lever", "leads +20%", "less than 700,000"),
    (6, 1, "2.4 leads", 1.08, "2.4"),
    (6, 1, "an eighth more", 1.08 * 2.7 / 2.4, "explodes"),
    (6, 1, "one rep", 9.0, "three share"),
    (6, 2, "each team", 2.72, "by itself"),
    (6, 2, "half", 1.36, "ask the formula"),
    (6, 2, "the leads of one team", lambda: right.erlang_wait(6, 2.7), "one team only"),
    (6, 3, "in turn", 15.69, "in turn"),
    (6, 3, "the others", 35.1, "under 20,000"),
    (6, 3, "the gain", 14.85, "how long"),
    (6, 4, "with patience", 464, "with patience"),
    (6, 4, "two years", 1322, "two years"),
    (6, 4, "no more leads", 1011, "40 % more"),
    (6, 5, "too few", 7, "still wait"),
    (6, 5, "too many", 12, "fewer"),
    (6, 5, "half a person", 7.5, "whole number"),
    (7, 1, "60 %", 0.514, "60 %"),
    (7, 1, "ten percent more", 0.566, "first be bought"),
    (7, 1, "per purchase", 1.40, "one purchase"),
    (7, 2, "1.2 leads", 21.4, "1.2"),
    (7, 2, "a quarter more", 26.8, "in turn"),
    (7, 2, "one generation", 11.4, "their friends"),
    (7, 3, "twice", 42.9, "twice as many"),
    (7, 3, "the second year", 14.7, "second year"),
    (7, 3, "with the card", 60, "card"),
    (7, 4, "a customer", 0.78, "one customer"),
    (7, 4, "lives on", 0.11, "lives on"),
    (7, 4, "three years", 0.82, "three years"),
    (7, 5, "unchanged", right.flywheel, "before"),
    (7, 5, "explodes", lambda: fs.situation("flywheel", scenario="explosive_referrals").model, "explodes"),
    (7, 5, "another funnel", lambda: fs.read_funnel("ecommerce"), "keep the stages"),
    (8, 1, "without the width", 2.667, "forgiven"),
    (8, 1, "all of the width", 1.333, "not all of it"),
    (8, 1, "3 million", 0.667, "3 million"),
    (8, 2, "exactly seven", 0.053, "exactly"),
    (8, 2, "eight or more", 0.927, "eight"),
    (8, 2, "seven of twelve", 0.583, "share that held"),
    (8, 3, "as said", 9, "as they were said"),
    (8, 3, "twice as wide", 11, "twice"),
    (8, 3, "a quarter", 3, "quarter of the width"),
    (8, 4, "2025", -0.144, "2025"),
    (8, 4, "the year", 0.055, "whole year"),
    (8, 4, "the ratio", 0.638, "missing to one"),
    (8, 5, "only a chance", 0.1, "month, amount, chance"),
    (8, 5, "no such month", ("2026-13", 1e6, 0.5), "no forecast"),
    (8, 5, "the other side", ("2025-11", 3_319_470, 0.9), "or more"),
    (9, 1, "the mean lead", 194.06, "a further one"),
    (9, 1, "10 %", 404.3, "10 %"),
    (9, 1, "all of the money", 2481.9, "further money"),
    (9, 2, "search", 0.5192, "search"),
    (9, 2, "email", 0.4041, "email"),
    (9, 2, "what is lost", 0.6548, "lost"),
    (9, 3, "the usual bound", 1.3, "today"),
    (9, 3, "the new bound", 3, "stops before"),
    (9, 3, "events", 0.507, "events"),
    (9, 4, "twice", 2, "not all"),
    (9, 4, "no change", 1, "does change"),
    (9, 4, "upside down", 0.55, "other way round"),
    (9, 5, "more money", {"email": 16e3, "events": 1e5, "search": 107e3, "social": 38e3}, "total"),
    (9, 5, "too far", {"email": 0, "events": 0, "search": 203_177, "social": 0}, "0.7 to 1.3"),
    (9, 5, "as today", {"email": 12350, "events": 78454, "search": 82391, "social": 29982}, "today"),
    (10, 1, "a fifth", 19.6, "odds are asked"),
    (10, 1, "the factor", 1.785, "factor"),
    (10, 1, "points", 12.3, "points"),
    (10, 2, "the odds", 457_043, "odds bring"),
    (10, 2, "search", 147_111, "search brings"),
    (10, 2, "both", 604_154, "together"),
    (10, 3, "as for 5 %", 10, "still pays"),
    (10, 3, "as the price, twice", 25, "costs more"),
    (10, 3, "the factor", 0.815, "factor"),
    (10, 4, "a name", "ecommerce", "fs.live"),
    (10, 4, "busy reps", lambda: fs.live("sales_process", draws=20), "stands still"),
    (10, 4, "buys again", lambda: fs.live("sales_funnel_cyclical", draws=20), "stands still"),
    (11, 1, "lost", -1_107_411, "lost"),
    (11, 1, "the whole", 518_241, "whole"),
    (11, 1, "in millions", 2.036, "not in millions"),
    (11, 2, "with them", 0.3815, "with them"),
    (11, 2, "the largest alone", 0.3391, "alone"),
    (11, 2, "5.5 million", 0.3666, "5.5 million"),
    (11, 3, "of what she said", 14.9, "against what came"),
    (11, 3, "the mean of percents", 23.1, "smallest"),
    (11, 3, "a share", 0.175, "in percent"),
    (11, 4, "a word", "search", "fs.health"),
    (11, 4, "a funnel", lambda: fs.read_funnel("flywheel"), "fs.health"),
    (11, 4, "nothing broke", lambda: fs.health(right.kontor_today(), draws=20), "no alert"),
]


def verdicts(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, int], Verdict]:
    """Run a notebook's cells and return what was said of each answer in it."""
    said: dict[tuple[int, int], Verdict] = {}
    judge = course.check

    def listening(lesson: int, task: int, answer: object) -> Verdict:
        said[lesson, task] = judge(lesson, task, answer)
        return said[lesson, task]

    with monkeypatch.context() as patched:
        patched.setattr(course, "check", listening)
        inside: dict[str, Any] = {}
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), inside)
    return said


def tasks_of(path: Path) -> set[tuple[int, int]]:
    return {key for key in TASKS if key[0] == int(path.stem[:2])}


def test_every_task_stands_on_a_sheet() -> None:
    assert {int(path.stem) for path in SHEETS} == {lesson for lesson, _ in TASKS}
    named = Counter((lesson, task) for lesson, task, *_ in MISTAKES)
    assert set(named) == set(TASKS) and set(named.values()) == {3}
    assert all(3 <= len(tasks_of(path)) <= 5 for path in SHEETS)


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_an_empty_sheet_runs_and_says_not_yet(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = verdicts(path, monkeypatch)
    assert set(said) == tasks_of(path)
    assert {str(one) for one in said.values()} == {f"Not yet: {course.EMPTY}"}


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_every_solution_is_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = verdicts(path.with_name(f"{path.stem}_solutions.ipynb"), monkeypatch)
    assert set(said) == tasks_of(path)
    assert {str(one) for one in said.values()} == {"Right."}


@pytest.mark.parametrize(("lesson", "task"), TASKS)
def test_mistakes_get_the_hint_that_helps_and_no_solution(lesson: int, task: int) -> None:
    for _, _, mistake, answer, words in (row for row in MISTAKES if row[:2] == (lesson, task)):
        said = course.check(lesson, task, answer() if callable(answer) else answer)
        assert not said.right and str(said).startswith("Not yet: "), mistake
        assert words in said.hint, mistake


def test_an_answer_may_be_rounded_but_not_wrong() -> None:
    assert course.check(2, 3, np.float64(right.negotiation_fate()[0])).right
    assert course.check(1, 3, round(right.either_won(), 2)).right
    assert not course.check(2, 1, right.won_between("2026-01-01", "2026-04-01") * 1.02).right


def test_an_unknown_task_is_refused_by_name() -> None:
    with pytest.raises(FunnelError, match="lesson 1, task 9: no such task; did you mean '1, [1-4]'"):
        course.check(1, 9, 3)
