"""One history, written as three CRMs would export it, reads back as the same history."""

from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.export import crm_shape, write_table
from funnelsim.history.log import History, bookings, spells
from funnelsim.history.read import read_history
from funnelsim.sample import sample_path

MOVES = ["lead", "stage", "start", "stop", "exit", "entry", "reopened"]


@pytest.fixture(scope="module")
def sample() -> History:
    return read_history(sample_path(), as_of="2024-06-30")


def through(history: History, crm: str, folder: Path) -> History:
    path = folder / f"{crm}.csv"
    write_table(crm_shape(history, crm), path)
    return read_history(path, as_of=history.until)


def test_salesforce_loses_nothing_of_moves_and_amounts(sample: History, tmp_path: Path) -> None:
    again = through(sample, "salesforce", tmp_path)
    assert "OpportunityHistory" in again.source
    pd.testing.assert_frame_equal(spells(again)[[*MOVES, "value"]], spells(sample)[[*MOVES, "value"]])
    pd.testing.assert_frame_equal(bookings(again), bookings(sample))
    early = [made.as_of("2024-01-31").leads["value"] for made in (again, sample)]
    pd.testing.assert_series_equal(*early)
    assert set(again.stages) == set(sample.stages)


def test_pipedrive_log_of_changes_keeps_all_moves(sample: History, tmp_path: Path) -> None:
    again = through(sample, "pipedrive", tmp_path)
    pd.testing.assert_frame_equal(spells(again)[MOVES], spells(sample)[MOVES])


def test_hubspot_keeps_the_last_entry_only_and_says_so(sample: History, tmp_path: Path) -> None:
    again = through(sample, "hubspot", tmp_path)
    last = sample.events.drop_duplicates(["lead", "stage"], keep="last")
    assert len(again.events) == len(last) < len(sample.events)
    assert again.events.groupby("stage").size().to_dict() == last.groupby("stage").size().to_dict()
    assert any("last entry only" in limit for limit in again.limits)
    assert not any("No lost dates" in limit for limit in again.limits)


def test_another_crm_is_refused(sample: History) -> None:
    with pytest.raises(FunnelError, match="'hubspit' is no CRM whose shape is known; did you mean 'hubspot'"):
        crm_shape(sample, "hubspit")
