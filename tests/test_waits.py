"""Reps against real staff: the log of a bank tells when work was scheduled, begun and completed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scripts import script

from funnelsim.simulation.run import run_model

DAYS = 730.0


@pytest.fixture(scope="module")
def waits() -> ModuleType:
    return script("benchmarks/waits.py")


@pytest.fixture(scope="module")
def tried(waits: ModuleType, real_data: Path):
    pytest.importorskip("pyarrow")
    return waits.tried(real_data / "bpic2012", DAYS)


@pytest.fixture(scope="module")
def run(tried):
    """Lives with another seed than the one that `with_reps` settled by."""
    return run_model(tried.found.model, DAYS, seed=2)


def test_with_reps_reproduces_the_stage_times_of_the_log(waits: ModuleType, tried, run) -> None:
    log = waits.capped(tried.visits, -np.inf, -waits.CAP)
    now = waits.capped(waits.stays_of(run), DAYS / 4, DAYS - waits.CAP).loc[log.index]
    assert len(log) == 5
    error = np.hypot(log["sem"], now["sem"])
    assert np.all(np.abs(now["mean"] - log["mean"]) < 4 * error)
    assert np.all(np.abs(now["mean"] / log["mean"] - 1) < 0.1)


def test_waits_of_new_leads_follow_from_hours_staff_and_minutes_of_work(tried, run) -> None:
    """No wait was shown to the model. Most of this one is the closed office: it is found within a quarter."""
    log = tried.visits.loc[tried.visits["stage"] == "Leads", "wait"].dropna()
    seen = run.waits[(run.waits["stage"] == "Leads") & (run.waits["joined"] > DAYS / 4)]["wait"]
    assert seen.mean() == pytest.approx(log.mean(), rel=0.25)
    assert seen.quantile(0.9) == pytest.approx(log.quantile(0.9), rel=0.25)


def test_calls_a_week_after_an_offer_are_no_want_of_staff(tried, run) -> None:
    """Half of the offers are followed up after days, by choice; reps do not explain it, the own time does."""
    log = tried.visits.loc[tried.visits["stage"] == "Offer", "wait"].dropna()
    check = tried.found.check.set_index("stage").loc["Offer"]
    assert check["waiting"] < 0.1 * log.mean()
    assert check["now"] == pytest.approx(check["before"], rel=0.01)
