"""Exercise sheets and their judge: solutions are right, empty sheets are not yet, wrong answers get hints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funnelsim as fs
from funnelsim import course
from funnelsim.course import TASKS, Verdict
from funnelsim.errors import FunnelError

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "exercises"
SHEETS = sorted(FOLDER.glob("[0-9][0-9].ipynb"))
WRONG: dict[tuple[int, int], list[Any]] = {
    (1, 1): [0.99, "a half", -1], (1, 2): [0.99, [0.2], 2], (1, 3): [0.01, 1.5, "both"],
    (1, 4): [3, "mine.yaml", fs.read_funnel("flywheel")], (2, 1): [1, 10**9, "much"],
    (2, 2): [0, 1e6, {}], (2, 3): [0.99, 40, True],
}  # fmt: skip


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
    assert set(WRONG) == set(TASKS)
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
def test_wrong_answers_get_a_hint_and_no_solution(lesson: int, task: int) -> None:
    for answer in WRONG[lesson, task]:
        said = course.check(lesson, task, answer)
        assert (said.right, str(said).startswith("Not yet: ")) == (False, True) and len(said.hint) > 15


def test_usual_mistakes_are_known_and_no_hint_tells_the_answer() -> None:
    both = [course._won_within(31, age) for age in (69, 12)]
    assert "twice" in course.check(1, 3, sum(both)).hint
    assert "12 days" in course.check(1, 2, both[1]).hint
    assert "won / closed" in course.check(2, 3, course._fate()[1]).hint
    assert course.check(2, 3, np.float64(course._fate()[0])).right
    assert course.check(1, 3, round(course._either(), 2)).right
    assert not course.check(2, 1, course._revenue("2026-01-01", "2026-04-01") * 1.02).right


def test_an_unknown_task_is_refused_by_name() -> None:
    with pytest.raises(FunnelError, match="lesson 1, task 9: no such task; did you mean '1, [1-4]'"):
        course.check(1, 9, 3)
