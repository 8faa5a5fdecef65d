"""Frames to draw agree with plain counting, and findings say in words what was planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from companies import random_company
from numpy.testing import assert_allclose
from test_evidence import beside, two_stages

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.trust import (
    dwell_times,
    findings,
    incidence_frame,
    thin_share,
    trust_of,
    winner_ages,
)
from funnelsim.history.log import spells
from funnelsim.model.model import nobody
from funnelsim.sample import sample_path
from funnelsim.show.charts.history import age_chart, dwell_chart, incidence_chart

COMPANY = random_company(11).history


def test_fitted_lies_on_counted_at_the_bin_edges() -> None:
    record = beside(two_stages(4, 3000))
    curves = incidence_frame(record)
    edges = curves[curves["days"].isin([1.0, 3.0, 7.0, 14.0, 30.0, 60.0])]
    assert len(edges) == 5 + 6 + 6, "nobody stays in A for 60 days"
    assert (edges["fitted"] - edges["observed"]).abs().max() < 0.01
    assert (curves["low"] <= curves["observed"]).all() and (curves["observed"] <= curves["high"]).all()
    assert curves.groupby(["stage", "exit"])["fitted"].apply(lambda x: x.is_monotonic_increasing).all()


def test_a_stage_of_one_visit_has_no_curve_and_the_others_have() -> None:
    history = two_stages(4, 300)
    first = history.events.iloc[[0]].assign(stage="Hello", at=lambda rows: rows["at"] - pd.Timedelta(days=1))
    events = pd.concat([first, history.events]).sort_values(["lead", "at"], kind="stable")
    rare = replace(history, events=events.reset_index(drop=True), stages=("Hello", "A", "B"),
                   began=history.began - pd.Timedelta(days=2))  # fmt: skip
    assert incidence_frame(beside(rare))["stage"].unique().tolist() == ["A", "B"]


def test_days_in_a_stage_are_quantiles_where_nothing_is_open() -> None:
    history = two_stages(5, 400)
    record = beside(history)
    table = dwell_times(record).set_index("stage")
    frame = spells(history)
    days = (frame["stop"] - frame["start"])[(frame["stage"] == "A").to_numpy()]
    assert (frame.loc[frame["stage"] == "A", "exit"] != "").all()
    assert_allclose(table.loc["A", "0.50"], days.quantile(0.5, interpolation="lower"))
    assert table.loc["A", "leads"] == 400


def test_days_are_unknown_where_too_many_never_left() -> None:
    history = two_stages(5, 400)
    kept = ~((history.events["stage"] == "Lost") & (history.events["lead"] > "L00100"))
    table = dwell_times(beside(replace(history, events=history.events[kept].reset_index(drop=True))))
    last = table.set_index("stage").loc["B"]
    assert np.isfinite(last["0.25"]) and np.isnan(last["0.90"])


def test_ages_of_winners() -> None:
    history = two_stages(6, 500)
    table = winner_ages(beside(history)).set_index("stage")
    frame = spells(history)
    won = frame["lead"].isin(history.events.loc[history.events["stage"] == "Won", "lead"])
    days = (frame["stop"] - frame["start"])[won & (frame["stage"] == "B")]
    assert_allclose(table.loc["B"], [days.quantile(0.5), days.quantile(0.9), len(days)], rtol=1e-8)


def test_thin_ages_by_number_and_by_money() -> None:
    record = beside(COMPANY)
    deals = open_pipeline(COMPANY, fit_model(COMPANY))
    ages = np.where(np.arange(len(deals)) % 4 == 0, 10_000.0, 0.0)
    old = replace(deals, age=ages, stage=np.zeros_like(deals.stage))
    assert_allclose(thin_share(record, old), (ages > 0).mean())
    assert_allclose(thin_share(record, old, np.where(ages > 0, 3.0, 1.0)),
                    3 * (ages > 0).sum() / (3 * (ages > 0).sum() + (ages == 0).sum()))  # fmt: skip
    assert np.isnan(thin_share(record, nobody()))


def test_findings_of_a_quiet_history() -> None:
    said = "\n".join(findings(trust_of(two_stages(7, 2000), fit_model(two_stages(7, 2000)))))
    assert "Fit: rates and counted shares agree within" in said
    assert "Wins: as many as the rates expect" in said
    assert "Memory: how long the stage before took tells nothing clear" in said
    assert "Not in the export: channel, owner, expected close." in said


def test_findings_say_what_was_planted() -> None:
    history = two_stages(8, 2500, memory=0.5)
    events = history.events.copy()
    late = (events["at"] >= "2025-11-01") & (events["stage"] == "Won")
    events.loc[late, "stage"] = "Lost"
    forgotten = events["lead"].isin(events["lead"].unique()[:40]) & (events["stage"] != "A")
    events = events[~forgotten].reset_index(drop=True)
    facts = history.leads.assign(segment=np.nan)
    edited = replace(history, events=events, leads=facts, limits=("Only what was asked for is here.",))
    model = fit_model(edited)
    said = findings(trust_of(edited, model), open_pipeline(edited, model))
    text = "\n".join(said)
    assert "in 2025-11 0 (" in text
    assert "Memory: at B, leads that came fast leave to " in text
    assert "Thin ages: " in text
    assert "Never closed: 40 of " in text, text
    assert "Only what was asked for is here." in said
    assert "Not in the export: channel, segment, owner, expected close." in said


def test_memory_must_be_clearer_the_more_stages_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """At p = .008 one stage alone is clear at .01; of two tested, .005 is asked of each."""
    head = ["stage", "exit", "previous", "leavers", "expected", "ratio", "p"]
    rows = [
        (stage, "Won", pace, 9.0, 9.0, ratio, p)
        for stage, p in (("B", 0.008), ("C", 0.5))
        for pace, ratio in (("fast", 1.5), ("middling", 1.0), ("slow", 0.5))
    ]
    history = two_stages(7, 200)
    record = beside(history)
    for kept, clear in ((rows, False), (rows[:3], True)):
        table = pd.DataFrame(kept, columns=head)
        monkeypatch.setattr("funnelsim.calibration.trust.previous_dwell", lambda trust, table=table: table)
        said = "\n".join(findings(record))
        assert ("at B, leads that came fast leave to Won 1.50 times" in said) == clear
        assert ("tells nothing clear about the next one (2 stages tested)" in said) != clear


def test_a_history_without_losses_says_so() -> None:
    history = two_stages(9, 300)
    events = history.events[history.events["stage"] != "Lost"].reset_index(drop=True)
    unlost = replace(history, events=events)
    said = findings(trust_of(unlost, fit_model(unlost)))
    assert "The export records no loss: a lead that is lost looks like one that waits." in said


def test_a_history_of_three_leads_is_told_without_a_crash() -> None:
    few = two_stages(10, 3)
    said = findings(trust_of(few, fit_model(few)))
    assert any("no stage was visited often enough" in sentence for sentence in said)


def test_the_frames_can_be_drawn() -> None:
    from funnelsim.history.read import read_history

    history = read_history(sample_path())
    record = beside(history)
    deals = pd.DataFrame({"stage": ["Proposal"], "age": [3.0], "zombie": [False]})
    for chart in (incidence_chart(incidence_frame(record)), dwell_chart(dwell_times(record)),
                  age_chart(deals, winner_ages(record))):  # fmt: skip
        assert chart.to_dict()["config"]
