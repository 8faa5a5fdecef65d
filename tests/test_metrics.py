"""The measures on five leads worked by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from funnelsim.errors import FunnelError
from funnelsim.history.metrics import lifetime_value, metrics, side_rooms
from funnelsim.history.read import read_history
from funnelsim.verbs import simulate

# Seen until day 40. a is won on day 10, b lost on day 5, c goes on but is open, d enters at the offer
# and is won on day 30 (28 days later), e came on day 35 and is open.
ROWS = [
    ("a", "Lead", 0, "web", 100), ("a", "Offer", 4, "web", 100), ("a", "Won", 10, "web", 80),
    ("b", "Lead", 0, "web", 50), ("b", "Lost", 5, "web", 50),
    ("c", "Lead", 1, "fair", 70), ("c", "Offer", 8, "fair", 70),
    ("d", "Offer", 2, "fair", 200), ("d", "Won", 30, "fair", 220),
    ("e", "Lead", 35, "web", 10),
]  # fmt: skip


def table(horizon: float = 20.0, **more: object) -> pd.DataFrame:
    frame = pd.DataFrame(ROWS, columns=["lead", "stage", "day", "channel", "value"])
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D")
    made = read_history(frame, as_of="2026-02-09")
    return metrics(made, horizon, **more).set_index(["metric", "scope"])


def test_counts() -> None:
    found = table()["value"]
    assert found["entrances", "all"] == 5
    assert found["entrances", "Lead"] == 4
    assert found["entrances", "Offer"] == 1
    assert found["wins", "all"] == 2
    assert found["total revenue", "all"] == 300
    assert found["average order value", "all"] == 150
    assert found["open pipeline", "all"] == 80
    assert found["cycle length", "all"] == (10 + 28) / 2


def test_shares_are_of_the_cohort_within_the_horizon() -> None:
    found = table()["value"]
    # Days to the win or the end: a 10 won, b 5 lost, c open at 39, d 28 won, e open at 5.
    # By day 20: at 5 one of five leaves lost, e is seen no longer, then a is one of three left.
    assert_allclose(found["win rate", "all"], 4 / 5 / 3)
    # From Lead onward (Offer or Won): a 4, b lost at 5, c 7, e open at 5.
    assert_allclose(found["conversion", "Lead"], 1 / 4 + 3 / 4 * 2 / 3 * 1 / 1)
    # From Offer: a 6, c open at 32, d 28.
    assert_allclose(found["conversion", "Offer"], 1 / 3)
    assert_allclose(found["win rate", "Offer"], 1 / 3)
    assert_allclose(table(30.0)["value"]["win rate", "Offer"], 1 / 3 + 2 / 3 / 2)
    assert_allclose(found["lifetime value", "all"], 4 / 5 / 3 * 150)


def test_a_horizon_longer_than_anybody_was_seen_is_not_answered() -> None:
    line = table(100.0).loc[("win rate", "all")]
    assert np.isnan(line["value"])
    assert line["note"] == "within 100 days of entering: seen for 39 only"


def test_days_in_a_stage_count_open_visits_too() -> None:
    # Lead: 4, 5, 7 days and one open at 5; still there: 1 until 4, 3/4 until 5, 1/2 until 7.
    assert_allclose(table()["value"]["flow rate", "Lead"], 4 + 3 / 4 + 1 / 2 * 2)


def test_money_spent() -> None:
    spend = pd.DataFrame({"channel": ["web", "fair", "web"], "spend": [30.0, 40.0, 10.0]})
    found = table(spend=spend, target=160.0)["value"]
    assert_allclose(found["cost per lead", "web"], 40 / 3)
    assert found["cost per customer", "fair"] == 40
    assert found["ROI", "web"] == (80 - 40) / 40
    assert found["pipeline coverage", "all"] == 0.5


def test_how_fast_money_comes() -> None:
    """Open 70 and 10, a win rate of 4/15, 19 days from entry to win; five leads in 40 days."""
    found = table()
    assert_allclose(found.loc[("pipeline velocity", "all"), "value"], 80 * 4 / 15 / 19)
    assert found.loc[("entrances", "all"), "note"] == f"{30 * 5 / 40:.1f} in 30 days"
    assert found.loc[("cycle length", "all"), "leads"] == 2
    assert ("pipeline coverage", "all") not in found.index


def test_a_lead_that_ends_or_waits_is_no_follow_up() -> None:
    """Within 6 days of entering: a went on at 4, b was lost at 5, e is open at 5, c goes on at 7, d at 28."""
    assert_allclose(table(6.0)["value"]["follow-ups", "all"], 1 / 5)
    assert_allclose(table(7.0)["value"]["follow-ups", "all"], 1 / 5 + 3 / 5 * 1 / 2)


def test_going_dormant_is_not_going_on_and_coming_back_is() -> None:
    """Four leads: a goes dormant, comes back and wins, b wins, c goes dormant for good, d is lost."""
    ways = {
        "a": ("Lead", "Dormant", "Lead", "Offer", "Won"),
        "b": ("Lead", "Offer", "Won"),
        "c": ("Lead", "Dormant", "Lost"),
        "d": ("Dormant", "Lead", "Lost"),
    }
    rows = [(lead, stage, 3 * n) for lead, way in ways.items() for n, stage in enumerate(way)]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "day"])
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D")
    made = read_history(frame, as_of="2026-06-01")
    assert side_rooms(made) == {"Dormant"}
    found = metrics(made, 30.0).set_index(["metric", "scope"])["value"]
    assert_allclose(found["conversion", "Lead"], 2 / 4)
    assert_allclose(found["conversion", "Dormant"], 2 / 3)
    assert_allclose(found["conversion", "Offer"], 1)
    assert_allclose(found["follow-ups", "all"], 2 / 4)  # b, and d, who came back; a and c went quiet first


def test_revenue_of_the_last_year_and_of_all() -> None:
    days = [("old", 0, 7.0), ("edge", 35, 11.0), ("new", 36, 13.0)]
    rows = [(lead, stage, day, value) for lead, day, value in days for stage in ("Lead", "Won")]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "day", "value"])
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D")
    found = metrics(read_history(frame, as_of="2027-02-04"), 30.0).set_index(["metric", "scope"])["value"]
    assert found["total revenue", "all"] == 31
    assert found["total revenue", "last 365 days"] == 24
    assert np.isnan(found["cycle length", "all"]), "wins on the day of coming tell no cycle"
    assert np.isnan(found["pipeline velocity", "all"])


def test_channels_without_leads_or_money_have_no_price() -> None:
    spend = pd.DataFrame({"channel": ["radio", "web"], "spend": [5.0, 0.0]})
    found = table(spend=spend)["value"]
    assert np.isnan(found["cost per lead", "radio"]) and np.isnan(found["cost per customer", "radio"])
    assert found["ROI", "radio"] == -1
    assert found["cost per lead", "web"] == 0 and np.isnan(found["ROI", "web"])
    assert np.isnan(table(target=0.0)["value"]["pipeline coverage", "all"])


def test_a_customer_who_buys_twice_is_one_customer() -> None:
    moves = {"a": ["Lead", "Won", "Lead", "Won"], "b": ["Lead", "Won"], "c": ["Lead", "Lost"]}
    rows = [
        (lead, place, pd.Timestamp("2026-01-01") + pd.Timedelta(days=10 * day), "web", 50.0)
        for lead, places in moves.items()
        for day, place in enumerate(places)
    ]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at", "channel", "value"])
    history = read_history(frame, mapping={"wins": "each", "won": ["Won"], "lost": ["Lost"]})
    spend = pd.DataFrame({"channel": ["web"], "spend": [120.0]})
    found = metrics(history, 30.0, spend).set_index(["metric", "scope"])
    assert found["value"]["cost per customer", "web"] == 120 / 2
    assert found["value"]["ROI", "web"] == (3 * 50 - 120) / 120
    assert found["leads"]["cost per customer", "web"] == 2 and found["leads"]["ROI", "web"] == 3


def test_wrong_questions_are_refused() -> None:
    with pytest.raises(FunnelError, match="horizon_days: 0 given"):
        table(0)
    with pytest.raises(FunnelError, match="expected channel and spend"):
        table(spend=pd.DataFrame({"chanel": ["web"], "spend": [1]}))


def test_coverage_is_of_the_gap_that_is_left() -> None:
    assert table(target=160.0, booked=120.0)["value"]["pipeline coverage", "all"] == 2.0
    assert np.isnan(table(target=160.0, booked=200.0)["value"]["pipeline coverage", "all"])


def test_lifetime_value_is_the_published_one() -> None:
    assert lifetime_value(100, 0.6, first=0.3) == pytest.approx(75.0)
    assert lifetime_value(100, 0.6) == pytest.approx(250.0)
    assert lifetime_value(100, 0.6, gap_days=90, discount=0.1) == pytest.approx(241.676124, abs=1e-6)
    assert np.isnan(lifetime_value(100, 1.0))


def returning(rows: list[tuple[str, str, float]], days: float) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["lead", "stage", "day"]).assign(value=100.0)
    frame["at"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["day"], unit="D")
    mapping = {"stages": ["Lead"], "won": ["Bought"], "lost": ["Lost"], "wins": "each"}
    until = pd.Timestamp("2020-01-01") + pd.Timedelta(days=days)
    made = read_history(frame.sort_values(["lead", "at"]), mapping=mapping, as_of=until)
    return metrics(made, 90.0).set_index(["metric", "scope"])


def test_customers_who_return_are_counted_by_hand() -> None:
    # a buys on days 10 and 20 and is seen until 60; b buys on day 10, is seen no more; c never buys.
    rows = [("a", "Lead", 0), ("a", "Bought", 10), ("a", "Bought", 20), ("b", "Lead", 0), ("b", "Bought", 10)]
    found = returning([*rows, ("c", "Lead", 0), ("c", "Lost", 5)], 60.0)
    # Three purchases: the next came after 10 days, or is awaited for 40 and for 50 days.
    assert found.loc[("lifetime value", "customers"), "value"] == pytest.approx(100 / (1 - 1 / 3))
    assert found.loc[("lifetime value", "all"), "value"] == pytest.approx(2 / 3 * 100 / (1 - 1 / 3))
    assert found.loc[("lifetime value", "customers"), "leads"] == 3


def test_lifetime_value_of_lives_with_known_truth() -> None:
    rng = np.random.default_rng(8)
    rows = []
    for number in range(3000):
        lead, day = f"L{number:05d}", rng.uniform(0, 2000)
        rows.append((lead, "Lead", day))
        day += rng.exponential(10)
        if rng.random() >= 0.3:
            rows.append((lead, "Lost", day))
            continue
        while True:
            rows.append((lead, "Bought", day))
            if rng.random() >= 0.6:
                break
            day += rng.exponential(90)
    known = [row for row in rows if row[2] < 2000]
    found = returning(known, 2000.0)["value"]
    # 1 / (1 - r) has a standard error of sqrt(r / n) / (1 - r)^1.5 for n purchases, some 2,100 here.
    assert found["lifetime value", "customers"] == pytest.approx(250.0, abs=4 * 250 * 0.035)
    assert found["lifetime value", "all"] == pytest.approx(75.0, abs=4 * 75 * 0.045)
    assert found["retention", "all"] == pytest.approx(0.6 * (1 - np.exp(-1)), abs=0.05)


@pytest.mark.parametrize("name", ["sales_funnel_5", "sales_funnel_cyclical", "flywheel"])
def test_a_simulated_customer_who_leaves_later_has_bought_all_the_same(name):
    run = simulate(name, days=730)
    place = run.model.funnel.roles["won"][0]
    bought = int((run.log["stage"] == place).sum())
    found = metrics(run.history).set_index(["metric", "scope"])["value"]
    assert found["wins", "all"] == bought > 0
    assert_allclose(found["total revenue", "all"], run.log.loc[run.log["stage"] == place, "value"].sum())
    assert found["lifetime value", "customers"] > found["average order value", "all"]
