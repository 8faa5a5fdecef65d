"""On their own mix of leads: equal people are not told apart, unequal ones are; few deals say nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import funnelsim as fs
from funnelsim.calibration.counting import Visits
from funnelsim.forecasting.people import onboarding_of, pace_of_people, results_of
from funnelsim.model.funnel import Funnel

MAP = Funnel("two", ("Lead", "Offer"), ("Won", "Lost"), (("Offer", "Lost"), ("Won", "Lost")), {"Won": 1.0})
BINS = np.array([0.0, 7.0, 30.0])
NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")


def company(
    seed: int, skill: dict[str, float] | None = None, pace: dict[str, float] | None = None, leads: int = 1500
) -> tuple[pd.DataFrame, Visits, np.ndarray]:
    """Leads of 500 days: who has large ones has few wins; skill multiplies the rate of winning an offer."""
    rng = np.random.default_rng(seed)
    owner = rng.choice(len(NAMES), leads)
    large = rng.random(leads) < np.array([0.9, 0.1, 0.5, 0.3, 0.2, 0.7])[owner]
    good = np.array([(skill or {}).get(name, 1.0) for name in NAMES])[owner]
    quick = np.array([(pace or {}).get(name, 1.0) for name in NAMES])[owner]
    channel = rng.choice(["web", "fair"], leads)
    day = rng.uniform(-500, 0, leads)
    onward = np.where(channel == "fair", 0.06, 0.03) * quick
    lead = [rng.exponential(1 / onward), rng.exponential(1 / (0.05 * quick))]
    goes, moved = lead[0] < lead[1], day + np.minimum(*lead)
    offer = [rng.exponential(1 / (np.where(large, 0.008, 0.03) * good)), rng.exponential(20, leads)]
    ended, wins = moved + np.minimum(*offer), offer[0] < offer[1]
    won = np.where(goes & wins & (ended < 0), ended, np.inf)
    table = pd.DataFrame({"owner": np.array(NAMES, dtype=object)[owner], "day": day, "won": won})
    table["segment"], table["channel"] = np.where(large, "large", "small"), channel
    table["entry"], table["size"] = "Lead", "all"
    second = np.flatnonzero(goes & (moved < 0))
    stage = np.repeat([0, 1], [leads, len(second)])
    group = np.append(large, large[second]).astype(np.int64)
    start, stop = np.append(day, moved[second]), np.append(moved, ended[second])
    taken = np.append(np.where(goes, 0, 1), np.where(wins[second], 0, 1))
    zeros = np.zeros(len(stage))
    visits = Visits(stage, group, np.where(stop < 0, taken, -1), start, zeros, np.minimum(stop, 0.0) - start)
    return table, visits, np.append(table["owner"], table["owner"].to_numpy()[second])


def test_equal_people_are_not_told_apart() -> None:
    companies, odd = 100, 0
    for seed in range(companies):
        table, visits, owner = company(seed)
        results, _, _ = results_of(table)
        pace = pace_of_people(visits, owner, MAP, 2, BINS)
        told = {*results["verdict"], *pace["verdict"]} & {"above", "below"}
        odd += bool(told)
    assert binom.sf(odd - 1, companies, 0.05) > 0.01
    assert odd <= 5


def test_mix_is_no_skill() -> None:
    # Ada's leads are large and win a quarter as often; beside all hands' wins alone she would look hopeless.
    table, _, _ = company(3, leads=6000)
    results = results_of(table)[0].set_index("owner")
    plain = np.isfinite(table["won"]).groupby(table["owner"]).mean()
    assert plain["Ada"] < 0.6 * plain["Ben"]
    assert results.loc["Ada", "ratio"] == pytest.approx(1.0, abs=0.25)
    assert results["wins"].sum() == pytest.approx(results["expected"].sum())


def test_who_wins_half_as_much_again_is_found() -> None:
    found = 0
    for seed in range(5):
        table, _, _ = company(200 + seed, skill={"Cleo": 1.8, "Dan": 0.5}, leads=5000)
        results, luck, _ = results_of(table)
        told = results.set_index("owner")["verdict"]
        found += told["Dan"] == "below" and told["Cleo"] == "above"
        assert luck < 0.01
        assert results["owner"].iloc[0] == "Cleo"
        assert results["group"].iloc[0] < results["group"].iloc[-1]
    assert found >= 4


def test_who_is_slow_is_found_in_the_stage_where_he_is() -> None:
    _, visits, owner = company(7, pace={"Eve": 0.5}, leads=3000)
    pace = pace_of_people(visits, owner, MAP, 2, BINS).set_index(["stage", "owner"])
    assert pace.loc[("Lead", "Eve"), "verdict"] == "below"
    assert pace.loc[("Offer", "Eve"), "verdict"] == ""
    assert pace.loc[("Lead", "Eve"), "ratio"] == pytest.approx(0.55, abs=0.12)


def test_five_deals_are_no_verdict() -> None:
    table, _, _ = company(11)
    rows = table.index[table["owner"] == "Eve"][:5]
    few = table[(table["owner"] != "Eve") | table.index.isin(rows)].copy()
    few.loc[rows, "won"] = -1.0
    results = results_of(few)[0].set_index("owner")
    assert results.loc["Eve", "verdict"] == "too few"
    assert np.isnan(results.loc["Eve", "p_best"])
    assert results.loc["Eve", "skill"] < 2


def test_newcomers_are_followed_from_their_first_lead() -> None:
    table, _, _ = company(13)
    late = table[(table["owner"] != "Finn") | (table["day"] > -300)]
    _, _, known = results_of(late)
    curve = onboarding_of(known, -500.0)
    assert curve["people"].eq(1).all()
    assert curve["leads"].sum() == (late["owner"] == "Finn").sum()
    assert curve["tenure"].tolist() == ["0 to 90 days", "90 to 180 days", "180 to 365 days"]
    assert (curve["low"] < curve["high"]).all()


def test_the_sample_company_s_people_are_ranked_as_they_were_made() -> None:
    found = fs.health(fs.sample_path(), draws=20)
    people = found.people.set_index("owner")
    small = [name for name in people.index if name in {"Ada", "Ben", "Cleo", "Dan", "Eve"}]
    assert small == ["Ada", "Ben", "Cleo", "Dan", "Eve"]  # odds 1.6, 1.2, 1.0, 0.8, 0.6
    assert people.loc["Eve", "verdict"] == "below"
    assert any("Eve" in sentence for sentence in found.sentences)
    assert not found.pace["verdict"].isin(["above", "below"]).any()  # nobody was made slow
    assert people["p_best"].sum() == pytest.approx(1.0)
