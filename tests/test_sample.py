"""The sample can be made again byte for byte, looks like a company, and lives by the truth it states."""

from __future__ import annotations

import io
import json

import company
import lives
import make
import numpy as np
import pandas as pd
import pytest

from funnelsim.model.rates import DEFAULT_BINS
from funnelsim.sample import sample_path

AS_OF = pd.Timestamp(company.AS_OF) + pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    return make.contents()


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads(sample_path("truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    return pd.read_csv(sample_path(), parse_dates=["at"])


@pytest.fixture(scope="module")
def visits(history, truth) -> pd.DataFrame:
    """One row per visit to a stage, without the leads that carry dirt."""
    dirty = [lead for leads in truth["dirt"].values() for lead in leads]
    rows = history[~history["lead"].isin(dirty)].sort_values(["lead", "at"], kind="stable")
    follows = rows["lead"].shift(-1) == rows["lead"]
    rows["exit"] = rows["stage"].shift(-1).where(follows, "")
    stop = rows["at"].shift(-1).where(follows, AS_OF)
    rows["days"] = (stop - rows["at"]) / pd.Timedelta(days=1)
    return rows[~rows["stage"].isin(company.ENDS)]


@pytest.mark.parametrize("name", ["history.csv", "spend.csv", "truth.json"])
def test_the_sample_is_what_its_script_makes(made, name):
    assert sample_path(name).read_bytes() == made[name]


def test_another_seed_makes_another_company(made):
    plan, _ = make.people(seed=1)
    assert make.spend_csv(plan).encode() != made["spend.csv"]


def test_the_sample_is_small(made):
    assert sum(map(len, made.values())) < 2_000_000


def test_bins_are_those_of_the_product():
    assert company.BINS == DEFAULT_BINS


def test_the_record_has_the_size_that_the_truth_counts(history, truth):
    counts = truth["counts"]
    assert len(history) == counts["rows"]
    assert 10_000 <= history["lead"].nunique() <= 20_000
    leads = history.drop_duplicates("lead")["segment"].value_counts()
    assert leads.to_dict() == {segment: counts[segment]["leads"] for segment in company.SEGMENTS}
    won = history[history["stage"] == "Won"].drop_duplicates("lead")["segment"].value_counts()
    assert won.to_dict() == {segment: counts[segment]["won"] for segment in company.SEGMENTS}


def test_the_record_looks_like_the_company_it_tells_of(history):
    first = history.drop_duplicates("lead")
    assert set(first["stage"]) == set(company.STAGES)
    assert set(first["channel"]) == set(company.CHANNELS)
    assert first["owner"].nunique() == 8
    known = history[history["at"] < AS_OF]
    assert known["at"].min() >= pd.Timestamp(company.OPENED)
    won = known[known["stage"] == "Won"]
    mean = won.groupby("segment")["value"].mean()
    assert 8_000 < mean["small"] < 12_000
    assert 700_000 < mean["large"] < 1_300_000
    share = won["segment"].value_counts() / first["segment"].value_counts()
    assert 0.08 < share["small"] < 0.12
    assert 0.03 < share["large"] < 0.06


def test_dirt_is_where_the_truth_says(history, truth):
    dirt = truth["dirt"]
    assert sorted(history.loc[history.duplicated(), "lead"]) == dirt["repeated"]
    assert history.loc[history["at"] >= AS_OF, "lead"].tolist() == dirt["future"]
    clean = history.drop_duplicates()
    assert sorted(clean.loc[clean.duplicated(["lead", "at"]), "lead"]) == dirt["same_second"]
    ended = clean["stage"].eq("Lost").groupby(clean["lead"]).sum()
    assert (ended > 1).sum() > 0, "no deal was re-opened"


def test_leads_leave_at_the_true_rates(visits, truth):
    low = np.array(truth["bins"])
    high = np.append(low[1:], np.inf)
    days = visits["days"].to_numpy()[:, None]
    exposure = (np.minimum(days, high) - low).clip(min=0.0)
    deviations = {}
    for (segment, stage), rows in visits.groupby(["segment", "stage"]):
        at_risk = exposure[visits.index.get_indexer(rows.index)].sum(axis=0)
        for exit, rates in truth["rates"][segment][stage].items():
            expected = float((np.array(rates) * at_risk).sum())
            deviations[segment, stage, exit] = ((rows["exit"] == exit).sum() - expected) / expected**0.5
    assert len(deviations) == sum(len(exits) for of in company.EXITS.values() for exits in of.values())
    assert {key: z for key, z in deviations.items() if abs(z) > 4} == {}
    assert np.square(list(deviations.values())).mean() < 2


def test_leads_come_as_the_truth_expects(history, truth):
    first = history[history["at"] < AS_OF].drop_duplicates("lead")
    seen = first.groupby([first["at"].dt.strftime("%Y-%m"), "channel"]).size()
    for (month, channel), leads in seen.items():
        mean = truth["expected_leads"][month][channel]
        sd = (mean + (mean * company.WEEK_SPREAD) ** 2 / 4.3) ** 0.5
        assert abs(leads - mean) < 4 * sd, (month, channel)


def test_spend_drives_intake_by_the_true_elasticity():
    plan, _ = make.people()
    doubled = {channel: [2 * money for money in weeks] for channel, weeks in plan.items()}
    before, after = lives.expected_leads(plan), lives.expected_leads(doubled)
    for channel, facts in company.CHANNELS.items():
        np.testing.assert_allclose(np.array(after[channel]) / before[channel], 2 ** facts["elasticity"])
    spent = pd.read_csv(io.BytesIO(sample_path("spend.csv").read_bytes()), parse_dates=["week"])
    assert (spent["week"].dt.day_of_week == 0).all()
    assert spent.groupby("channel").size().nunique() == 1


def test_wins_hurry_at_the_end_of_a_quarter(history):
    won = history[(history["stage"] == "Won") & (history["at"] < AS_OF)]["at"]
    left = (won + pd.offsets.QuarterEnd(0)).dt.normalize() - won.dt.normalize()
    late = (left.dt.days < company.RUSH_DAYS).mean()
    even = company.RUSH_DAYS * 4 / 365.25
    sd = (even * (1 - even) / len(won)) ** 0.5
    assert late > even + 4 * sd


def test_rush_leaves_the_year_as_it_is():
    year = [lives.rush(day + 0.5) for day in range(366)]
    assert np.mean(year) == pytest.approx(1, abs=0.01)


def test_old_leads_stay_for_ever(visits):
    assert visits.loc[visits["exit"] != "", "days"].max() < company.BINS[-1] + 1
    assert ((visits["exit"] == "") & (visits["days"] > company.BINS[-1])).sum() > 20


def test_what_happened_afterwards_is_told(truth):
    assert list(truth["afterwards"]) == [f"2026-{month:02d}" for month in range(7, 13)]
    assert all(month["wins_open"] + month["wins_new"] > 10 for month in truth["afterwards"].values())
