"""Scores go back as the files that CRMs document: keys, names of fields, per cents, dates, no formula."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import history
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.delivery import close_dates, crm_scores
from funnelsim.forecasting.situation import situation

# The column by which each CRM finds the record, and what its own fields may be called: Salesforce's loader
# takes API names, custom ones end in __c; HubSpot's import matches "Record ID" and labels of properties;
# Pipedrive writes and maps "Deal - NAME"; Dataverse takes the primary key and prefixed logical names.
DOCUMENTED = {
    "salesforce": ("Id", r"[A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*__c"),
    "hubspot": ("Record ID", r"[A-Za-z][A-Za-z0-9 ]*"),
    "pipedrive": ("Deal - ID", r"Deal - [A-Za-z][A-Za-z0-9 ]*"),
    "dynamics": ("opportunityid", r"new_[a-z][a-z0-9_]*"),
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = history()
    path = tmp_path_factory.mktemp("scores") / "log.csv"
    known.events.merge(known.leads.reset_index(), on="lead").to_csv(path, index=False)
    return path


@pytest.mark.parametrize("crm", DOCUMENTED)
def test_a_file_reads_back_as_the_crm_documents_it(crm: str, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    ask = ["forecast", str(log), "--draws", "8", "--no-cache", "--scores", f"{crm}:{out}"]
    done = CliRunner().invoke(app, ask)
    assert done.exit_code == 0, done.output
    data = out.read_bytes()
    data.decode("utf-8")
    head, *rows = csv.reader(data.decode("utf-8").splitlines())
    key, field = DOCUMENTED[crm]
    assert head[0] == key and len(set(head)) == len(head) == 7
    assert all(re.fullmatch(field, name) for name in head[1:])
    found = fs.forecast(log, draws=8)
    assert sorted(row[0] for row in rows) == sorted(found.deals["lead"])
    for row in rows:
        assert 0 <= float(row[1]) <= 100 and float(row[3]) >= 0
        assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}|", cell) for cell in (row[2], row[4], row[5]))
        assert row[4] <= row[5] and row[6].endswith(".")
        assert "," not in row[1] + row[3] and row[6][0].isalpha()


def test_chance_and_money_are_those_of_the_forecast() -> None:
    place = situation(history())
    found = fs.forecast(place, draws=8)
    told = crm_scores(place, found, "salesforce").set_index("Id")
    deals = found.deals.set_index("lead")
    both = deals[["P(win 2026 Q1)", "P(win 2026 Q2)"]].sum(axis=1)
    np.testing.assert_allclose(told["Funnelsim_Chance__c"], 100 * both.loc[told.index], atol=0.051)
    assert told["Funnelsim_Expected__c"].sum() == pytest.approx(deals["expected"].sum())
    assert set(told["Funnelsim_By__c"]) == {"2026-06-30"}


def test_close_dates_are_those_between_which_lives_are_won() -> None:
    """Offers are left at an exponential rate of 1/20 a day, so wins fall between .1 and .9 of that:
    2.1 and 46 days from now."""
    place = situation(history(4000))
    dates = close_dates(place, 40)
    offers = dates[place.deals.stage == list(place.model.funnel.stages).index("Offer")]
    days = [(offers[name] - place.model.as_of).dt.days.median() for name in ("from", "to")]
    assert days[0] == pytest.approx(-20 * np.log(0.9), abs=2)
    assert days[1] == pytest.approx(-20 * np.log(0.1), abs=8)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ("scores.csv", "expected CRM:FILE"),
        ("sugar:s.csv", "scores 'sugar' is unknown"),
        ("hubspot:s.txt", "is written as"),
    ],
)
def test_wrong_words_are_refused(
    scores: str, said: str, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["forecast", str(log), "--draws", "4", "--scores", scores])
    assert isinstance(done.exception, FunnelError) and re.search(said, str(done.exception))


def test_hashes_and_deals_without_chances_are_refused() -> None:
    place = situation(history())
    lived = fs.forecast(place, draws=20, engine="compiled")
    with pytest.raises(FunnelError, match="no chances"):
        crm_scores(place, lived, "hubspot")
    names = np.array([f"{n:016x}" for n in range(len(place.deals))], dtype=object)
    hashed = replace(place, deals=replace(place.deals, name=names))
    with pytest.raises(FunnelError, match="hashes"):
        crm_scores(hashed, fs.forecast(place, draws=4), "hubspot")


def test_no_date_is_given_where_a_deal_is_never_won() -> None:
    place = situation(history())
    old = replace(place.deals, age=np.full(len(place.deals), 4000.0))
    rates = place.model.table.with_rate(place.model.table.rate * 0)
    never = replace(place, deals=old, model=replace(place.model, table=rates, counts=None))
    assert close_dates(never, 1)["from"].isna().all()
    assert isinstance(close_dates(never, 1), pd.DataFrame)
