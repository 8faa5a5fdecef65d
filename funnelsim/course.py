"""The exercises' door: `fs.course.check(lesson, task, answer)` says right, or not yet with a hint.

The answer is worked out by a road of its own, and never told. Lesson and task are said each time, so that
a cell can be run alone and in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

from funnelsim.errors import FunnelError, nearest
from funnelsim.exercises.tasks import TASKS

__all__ = ["Verdict", "check"]

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
