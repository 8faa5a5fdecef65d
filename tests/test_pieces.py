"""Visits are cut where a lead's expected date moved, and an exit belongs to the date known before it."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from funnelsim.calibration.counting import funnel_of
from funnelsim.calibration.due import Pieces, known_dates, pieces_of
from funnelsim.history.log import DAY, History, spells

UNTIL = pd.Timestamp("2026-03-01")


def at(day: float) -> pd.Timestamp:
    return UNTIL + day * DAY


def history(
    *events: tuple[str, str, float], dates: dict[str, float], moves: list[tuple[str, float, float]]
) -> History:
    """Events are (lead, stage, day); moves are (lead, day on which the date is stated, date)."""
    log = pd.DataFrame(
        [(lead, stage, at(day)) for lead, stage, day in events], columns=["lead", "stage", "at"]
    )
    last = dates | {lead: due for lead, _, due in moves}
    leads = pd.DataFrame({"expected_close": {lead: at(due) for lead, due in last.items()}})
    updates = pd.DataFrame(
        [(lead, at(day), at(due)) for lead, day, due in moves], columns=["lead", "at", "expected_close"]
    )
    updates = updates.astype({"lead": "str", "at": "datetime64[us]", "expected_close": "datetime64[us]"})
    return History(
        log,
        leads.rename_axis("lead"),
        UNTIL,
        ("Open", "Sure"),
        ("Won",),
        ("Lost",),
        at(-100),
        updates=updates,
    )


def pieces(known: History) -> Pieces:
    funnel = funnel_of(spells(known), known.stages, known.won, known.lost)
    return pieces_of(known, funnel, ("all",), "segment")


def test_a_date_that_stays_is_one_piece_per_visit() -> None:
    found = pieces(
        history(("a", "Open", -20), ("a", "Sure", -15), ("a", "Won", -4.5), dates={"a": -5}, moves=[])
    )
    assert found.stage.tolist() == [0, 1]
    assert_allclose([found.start, found.stop, found.due], [[-20, -15], [-15, -4.5], [-5, -5]])
    assert found.enters.tolist() == [True, False]
    assert_allclose(found.won, [-4.5, -4.5])


def test_a_date_that_moves_cuts_the_visit_and_the_first_part_has_no_exit() -> None:
    moves = [("a", -20.0, -9.0), ("a", -12.0, 3.0)]
    found = pieces(history(("a", "Open", -20), ("a", "Lost", -2), dates={}, moves=moves))
    assert_allclose([found.start, found.stop, found.due], [[-20, -12], [-12, -2], [-9, 3]])
    assert (found.exit >= 0).tolist() == [False, True]
    assert found.enters.tolist() == [True, False]
    assert np.isinf(found.won).all()


def test_a_date_overwritten_by_the_win_is_not_the_one_it_is_judged_by() -> None:
    moves = [("a", -20.0, 30.0), ("a", -2.0, -2.0)]
    found = pieces(history(("a", "Open", -20), ("a", "Won", -2), dates={}, moves=moves))
    assert found.due.tolist() == [30.0]
    assert (found.exit >= 0).tolist() == [True]


def test_time_before_a_date_was_stated_is_left_out() -> None:
    found = pieces(history(("a", "Open", -20), dates={}, moves=[("a", -8.0, 5.0)]))
    assert_allclose([found.start, found.stop], [[-8], [0]])
    assert found.enters.tolist() == [False]


def test_leads_without_a_date_have_no_piece() -> None:
    found = pieces(history(("a", "Open", -20), ("b", "Open", -9), dates={"b": 2}, moves=[]))
    assert found.start.tolist() == [-9]


def test_dates_hold_from_one_statement_to_the_next() -> None:
    known = known_dates(
        history(
            ("a", "Open", -20),
            ("b", "Open", -9),
            dates={"b": 2},
            moves=[("a", -20.0, -9.0), ("a", -12.0, 3.0)],
        )
    )
    rows = known.sort_values(["lead", "since"])[["lead", "since", "until", "due"]].to_numpy().tolist()
    assert rows == [["a", -20, -12, -9], ["a", -12, np.inf, 3], ["b", -np.inf, np.inf, 2]]


def test_a_visit_of_no_length_keeps_its_exit() -> None:
    found = pieces(
        history(("a", "Open", -20), ("a", "Sure", -20), ("a", "Won", -5), dates={"a": -5}, moves=[])
    )
    assert found.stage.tolist() == [0, 1]
    assert (found.exit >= 0).all()
