"""The line before a team and the leads in each place, by hand and by what must always hold."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Draw, Funnel, Pool, Work
from funnelsim.model.model import Cell, Entries, Model, OpenDeals, Values
from funnelsim.model.rates import constant_table
from funnelsim.model.stated import read_funnel
from funnelsim.simulation.compiled import RepVisits
from funnelsim.simulation.record import NEW, OPEN, Run, movement_days, queue_days
from funnelsim.simulation.run import run_model

NAN = float("nan")


def three_leads() -> Run:
    """Return a run of four days by hand: stages Talk, Offer; ends Won, Lost; Talk needs the one rep.

    Lead 0 was open in Offer, and is won on day 2.5.
    Lead 1 enters Talk on day 0, is served until 1, in Offer from 1.5, lost on 3.
    Lead 2 enters Talk on day 0.5, waits until 1, is served until 2.25, and is in Talk to the end.
    Lead 3 enters Talk on day 1, and gives up on 2.
    """
    funnel = Funnel(
        "hand", ("Talk", "Offer"), ("Won", "Lost"), (("Offer", "Lost"), ("Won", "Lost")), {"Won": 1.0}
    )
    pools = (
        Pool("team", np.array([-np.inf, 3.0]), np.array([1, 2])),
        Pool("idle", np.array([-np.inf]), np.ones(1, int)),
    )
    model = Model(
        funnel, ("all",), constant_table(np.zeros((1, 2, 1)), np.ones((1, 2, 2, 1))),
        Entries((Cell(0, 0),), np.ones(1), np.ones(1)), Values(np.ones((1, 1)), np.ones(1)),
        pd.Timestamp("2026-06-01"), pools=pools, work=(Work(0, 0, Draw(np.ones(1))),),
    )  # fmt: skip
    deal = OpenDeals(np.array(["A"], object), np.ones(1, int), np.zeros(1, int), np.ones(1), np.ones(1))
    rows = [(0, 1, 2, 2.5), (1, 0, 0, 0.0), (1, 1, 1, 1.5), (1, 2, 3, 3.0), (2, 0, 0, 0.5), (3, 0, 0, 1.0),
            (3, 1, 3, 2.0)]  # fmt: skip
    who, visit, place, day = (np.array(column) for column in zip(*rows, strict=True))
    visits = RepVisits(
        np.array([[1, 0, 0], [2, 0, 0], [3, 0, 0]]),
        np.array([[0.0, 0.0, 1.0], [0.5, 1.0, 2.25], [1.0, NAN, NAN]]),
    )
    return Run(
        model, 4.0, deal, np.arange(4, dtype=np.uint64), np.array([1, 0, 0, 0]), np.zeros(4, int),
        np.array(["", "x", "x", "x"], object), np.array([OPEN, NEW, NEW, NEW]), np.ones(4),
        who, visit, place, day.astype(float), visits,
    )  # fmt: skip


def test_a_line_by_hand():
    expected = pd.DataFrame(
        [
            (0.0, 0, 1.0, 1),
            (0.5, 1, 1.0, 1),  # lead 2 waits
            (1.0, 1, 1.0, 1),  # lead 1 is done, lead 2 begins, lead 3 waits
            (2.0, 0, 1.0, 1),  # lead 3 gives up
            (2.25, 0, 0.0, 1),
            (3.0, 0, 0.0, 2),  # a rep is hired
            (4.0, 0, 0.0, 2),
        ],
        columns=["day", "waiting", "busy", "size"],
    )
    pd.testing.assert_frame_equal(queue_days(three_leads(), "team"), expected)


def test_a_team_that_nobody_needs_is_idle():
    idle = queue_days(three_leads(), "idle")
    assert idle["day"].tolist() == [0.0, 4.0]
    assert idle["busy"].tolist() == idle["waiting"].tolist() == [0, 0]


def test_the_line_at_the_end_is_still_there():
    run = three_leads()
    short = replace(run, days=1.75, visits=RepVisits(run.visits.number[:2], run.visits.moment[[0, 2]]))
    short = replace(short, who=run.who[:5], visit=run.visit[:5], place=run.place[:5], day=run.day[:5])
    assert queue_days(short, "team")["waiting"].tolist() == [0, 1, 1]


def test_an_unknown_team_is_refused():
    with pytest.raises(FunnelError, match=r"'teem'.*did you mean 'team'"):
        queue_days(three_leads(), "teem")


def test_places_by_hand():
    counts = movement_days(three_leads())
    table = counts.pivot(index="day", columns="stage", values="leads")
    assert table["Talk"].tolist() == [1, 3, 1, 1, 1]
    assert table["Offer"].tolist() == [1, 1, 2, 0, 0]
    assert table["Won"].tolist() == [0, 0, 0, 1, 1]
    assert table["Lost"].tolist() == [0, 0, 1, 2, 2]
    assert counts["stage"].drop_duplicates().tolist() == ["Talk", "Offer", "Won", "Lost"]
    assert counts.groupby("stage")["end"].first().to_dict() == {
        "Talk": False, "Offer": False, "Won": True, "Lost": True
    }  # fmt: skip
    assert movement_days(three_leads(), 0.5).query("stage == 'Talk'")["leads"].tolist() == [
        1, 2, 3, 2, 1, 1, 1, 1, 1
    ]  # fmt: skip


@pytest.mark.parametrize("every", [0.0, -1.0, NAN])
def test_moments_that_do_not_advance_are_refused(every):
    with pytest.raises(FunnelError, match="expected more than 0"):
        movement_days(three_leads(), every)


def test_every_lead_is_in_one_place_and_the_line_is_as_long_as_the_waits():
    run = run_model(read_funnel("sales_process"), 120, seed=3)
    counts = movement_days(run, 7.0)
    entered = np.sort(run.day[run.visit == 0])
    came = np.searchsorted(entered, np.unique(counts["day"]), side="right")
    assert counts.groupby("day")["leads"].sum().tolist() == came.tolist()
    assert counts["leads"].min() >= 0
    for team in run.model.pools:
        line = queue_days(run, team.name)
        assert line["waiting"].min() >= 0
        assert 0 <= line["busy"].min() <= line["busy"].max() <= team.size[0]
        days = [Fraction(day) for day in line["day"]]
        area = sum(
            int(n) * (b - a) for n, a, b in zip(line["waiting"][:-1], days[:-1], days[1:], strict=True)
        )
        waits = run.waits[run.waits["pool"] == team.name]
        assert float(area) == pytest.approx(waits["wait"].sum(), rel=1e-12)
        assert area > 0
