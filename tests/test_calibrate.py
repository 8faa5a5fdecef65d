"""History -> model: groups, notes, warnings, the open pipeline, and histories that say almost nothing."""

import numpy as np
import pandas as pd
import pytest
from made_up import UNTIL, history, words
from numpy.testing import assert_allclose

from funnelsim.calibration.calibrate import fit_model, group_names, open_pipeline
from funnelsim.errors import FunnelError
from funnelsim.history.log import History
from funnelsim.history.read import read_history
from funnelsim.model.store import same


def test_a_model_of_two_segments() -> None:
    model = fit_model(history())
    assert model.groups == ("small", "big") and model.grouped_by == "segment"
    assert model.funnel.exits == (("Offer", "Lost"), ("Won", "Lost"))
    assert model.as_of == UNTIL
    assert model.table.rate.shape == (1, 2, 2, 2, 11)
    assert_allclose(model.values.mean, [10, 1000], rtol=0.02)
    assert_allclose(model.entries.path[:28].mean(), 900 / 500, rtol=0.25)
    assert not [note for note in model.notes if note.startswith("Warning")]
    for word in ("Rates:", "Groups:", "Level of wins:", "Intake:", "Values:"):
        assert word in words(model)


def test_the_same_history_gives_the_same_model() -> None:
    assert same(fit_model(history()), fit_model(history()))


def test_open_leads_are_numbered_as_in_the_model() -> None:
    data = history()
    model = fit_model(data)
    deals = open_pipeline(data, model)
    last = data.events.groupby("lead").last()
    still = last[~last["stage"].isin(["Won", "Lost"])]
    assert len(deals) == len(still) > 10
    assert (deals.age >= 0).all()
    row = int(np.flatnonzero(deals.name == still.index[0])[0])
    assert model.funnel.stages[deals.stage[row]] == still["stage"].iloc[0]
    assert model.groups[deals.group[row]] == data.leads.loc[still.index[0], "segment"]
    assert deals.value[row] == data.leads.loc[still.index[0], "value"]
    assert_allclose(deals.age[row], (UNTIL - still["at"].iloc[0]) / pd.Timedelta(days=1))


def test_what_lay_in_the_future_does_not_matter() -> None:
    """A model as of a date is the same whatever happened later."""
    data = history()
    early = fit_model(data.as_of("2025-08-31"))
    events = data.events.copy()
    late = events["at"] >= pd.Timestamp("2025-09-01")
    events.loc[late, "stage"] = events.loc[late, "stage"].replace({"Won": "Lost"})
    edited = History(events, data.leads, UNTIL, data.stages, data.won, data.lost, data.began)
    assert same(early, fit_model(edited.as_of("2025-08-31")))


def test_one_group_on_request() -> None:
    model = fit_model(history(), groups="")
    assert model.groups == ("all",) and model.grouped_by == ""
    assert (open_pipeline(history(), model).group == 0).all()
    by_channel = fit_model(history(), groups="channel")
    assert set(by_channel.groups) == {"web", "fair"}


def test_small_groups_form_other() -> None:
    frame = pd.DataFrame({"lead": range(60), "segment": ["a"] * 51 + ["b"] * 9})
    assert group_names(frame, "segment") == ("a", "other")
    assert group_names(frame[:9], "segment") == ("all",)
    assert group_names(frame, "") == ("all",)


def test_a_company_that_has_won_nothing_yet() -> None:
    model = fit_model(history(won=False))
    assert "Won" in model.funnel.exits[1]
    assert (model.table.rate > 0)[0, :, 1, 0].all()
    assert "Nothing was ever won" in words(model)
    assert "only 0 wins by way of a stage in" in words(model)


def test_five_leads_are_too_few_to_trust_but_do_not_crash() -> None:
    data = history(5)
    model = fit_model(data)
    assert model.groups == ("all",)
    assert np.isfinite(model.table.rate).all()
    assert "Warning: only" in words(model)


def test_wins_recorded_late_are_noticed_and_stating_it_helps() -> None:
    data = history(3000, wins_from=-200.0)
    assert "wins would be expected before the first recorded one" in words(fit_model(data))
    stated = History(
        data.events, data.leads, UNTIL, data.stages, data.won, data.lost, UNTIL - pd.Timedelta(days=200)
    )
    assert "would be expected before" not in words(fit_model(stated))


def test_wrong_wishes_are_refused() -> None:
    with pytest.raises(FunnelError, match="groups 'segmnt' is no column to group by; did you mean 'segment'"):
        fit_model(history(50), groups="segmnt")
    with pytest.raises(FunnelError, match="half-life -3 and period 91: both must be positive"):
        fit_model(history(50), half_life=-3.0)
    empty = history(50)
    nothing = History(empty.events[:0], empty.leads[:0], UNTIL, ("Lead",), ("Won",), ("Lost",), UNTIL)
    with pytest.raises(FunnelError, match="no lead was in any stage before 2026-01-01"):
        fit_model(nothing)


def test_dear_leads_that_take_longer_need_a_segment_or_amounts_while_they_are_open() -> None:
    """Of a hundred wins twenty are a hundred times as dear and take 150 days, the others 15; then all 15.

    A segment tells them apart, and so do amounts that open leads show; those known at the win only do not.
    """
    for slow, told in ((150, True), (15, False)):
        rows = []
        for number in range(100):
            dear = number % 5 == 0
            came, took = pd.Timedelta(days=2 * number), pd.Timedelta(days=(slow if dear else 15) + number % 7)
            start = UNTIL - pd.Timedelta(days=400)
            value = 100_000 if dear else 1000
            rows += [
                (f"{number}", "Lead", start + came, value),
                (f"{number}", "Won", start + came + took, value),
            ]
        frame = pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])
        frame["segment"] = np.where(frame["value"] > 5000, "large", "small")
        bare = frame.drop(columns="segment")
        shown, named = (fit_model(read_history(table, as_of=UNTIL)) for table in (bare, frame))
        late = fit_model(read_history(bare, as_of=UNTIL, mapping={"value_known": "win"}))
        assert ("dear leads take longer" in words(late)) is told
        assert "dear leads take longer" not in words(named) + words(shown)
        assert shown.groups == (("amount below 100000", "amount from 100000") if told else ("all",))
