"""Counting: hand-worked visits, late entry, recency weights, published counts."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import count_exits
from numpy.testing import assert_allclose

from funnelsim.calibration.counting import count_visits, funnel_of, group_numbers, visits_of
from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Funnel

FUNNEL = Funnel(
    "two", ("Lead", "Offer"), ("Won", "Lost"), (("Offer", "Lost"), ("Won", "Lost", "Lead")), {"Won": 1.0}
)
ONE = Funnel("one", ("On",), ("Won",), (("Won",),), {"Won": 1.0})


def spells(*rows: tuple[str, float, float, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["stage", "start", "stop", "exit"])


def test_three_visits_by_hand() -> None:
    """Bins from 0, 2, 5. A lead leaves at age 3 (2 + 1 days), one at 1, one is open at 7 (2 + 3 + 2)."""
    frame = spells(("Lead", -10, -7, "Offer"), ("Lead", -5, -4, "Lost"), ("Lead", -7, 0, ""))
    counts = count_exits(frame, FUNNEL, bins=(0, 2, 5))
    assert_allclose(counts.exposure[0, 0], [2 + 1 + 2, 1 + 0 + 3, 2])
    assert_allclose(counts.events[0, 0], [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert_allclose(counts.spent[0, 0], [1, 1, 0])
    assert counts.events[0, 1].sum() == 0 and counts.exposure[0, 1].sum() == 0


def test_a_move_at_an_edge_belongs_to_the_bin_that_begins_there() -> None:
    counts = count_exits(spells(("Lead", -9, -7, "Lost"), ("Lead", -9, -9, "Lost")), FUNNEL, bins=(0, 2, 5))
    assert_allclose(counts.events[0, 0, 1], [1, 1, 0])
    assert_allclose(counts.exposure[0, 0], [2, 0, 0])


def test_time_before_recording_began_is_neither_event_nor_exposure() -> None:
    """Recording began 6 days ago: the first visit is seen from age 4 to 6, the second was over before."""
    frame = spells(("Lead", -10, -4, "Lost"), ("Lead", -10, -7, "Lost"), ("Lead", -3, 0, ""))
    counts = count_exits(frame, FUNNEL, bins=(0, 5), began=-6)
    assert_allclose(counts.exposure[0, 0], [1 + 3, 1])
    assert_allclose(counts.events[0, 0, 1], [0, 1])
    frame["since"] = [4.0, 6.0, 0.0]
    again = count_exits(frame, FUNNEL, bins=(0, 5))
    assert_allclose(again.exposure, counts.exposure)
    assert_allclose(again.events, counts.events)


def test_weights_halve_events_and_exposure_at_the_time_they_happened() -> None:
    """One visit from day -20 to -10: the integral of 2^(t/10) is 10 / log 2 * (1/2 - 1/4)."""
    counts = count_exits(spells(("Lead", -20, -10, "Lost")), FUNNEL, bins=(0, 4), half_life=10)
    scale = 10 / np.log(2)
    assert_allclose(counts.events[0, 0, 1], [0, 0.5])
    assert_allclose(counts.exposure[0, 0], [scale * (2**-1.6 - 0.25), scale * (0.5 - 2**-1.6)])
    flat = count_exits(spells(("Lead", -20, -10, "Lost")), FUNNEL, bins=(0, 4), half_life=1e9)
    assert_allclose(flat.exposure[0, 0], [4, 6], rtol=1e-6)


def test_windows_add_up_to_the_whole() -> None:
    frame = spells(
        ("Lead", -10, -7, "Offer"), ("Lead", -5, -4, "Lost"), ("Lead", -7, 0, ""), ("Offer", -7, -1, "Won")
    )
    visits = visits_of(frame, FUNNEL)
    whole = count_visits(visits, (1, 2, 3), (0, 2, 5))
    cuts = [-np.inf, -7.0, -4.0, np.inf]
    first, *rest = (
        count_visits(visits, (1, 2, 3), (0, 2, 5), window=pair) for pair in itertools.pairwise(cuts)
    )
    for part in rest:
        first = first + part
    assert_allclose(first.events, whole.events)
    assert_allclose(first.exposure, whole.exposure)


def test_counts_of_two_histories_add_up() -> None:
    one, two = spells(("Lead", -10, -7, "Offer")), spells(("Offer", -5, -4, "Won"), ("Lead", -2, 0, ""))
    both = count_exits(pd.concat([one, two]), FUNNEL)
    added = count_exits(one, FUNNEL) + count_exits(two, FUNNEL)
    assert_allclose(added.events, both.events)
    assert_allclose(added.exposure, both.exposure)
    assert_allclose(added.spent, both.spent)


def test_groups_are_counted_apart_and_strangers_go_to_other() -> None:
    frame = spells(("Lead", -4, -1, "Lost"), ("Lead", -4, -2, "Lost"), ("Lead", -4, 0, ""))
    frame["segment"] = ["big", "unheard", None]
    counts = count_exits(frame, FUNNEL, ("big", "other"), bins=(0,))
    assert_allclose(counts.exposure[:, 0, 0], [3, 2 + 4])
    assert group_numbers(frame["segment"], ("small", "big"), 3).tolist() == [1, 0, 0]


def test_the_funnel_is_what_the_visits_draw() -> None:
    frame = spells(
        ("Lead", -9, -8, "Offer"),
        ("Lead", -9, -8, "Lost"),
        ("Offer", -8, -7, "Won"),
        ("Offer", -8, -7, "Lead"),
    )
    funnel = funnel_of(frame, ("Lead", "Offer"), ("Won",), ("Lost",))
    assert funnel.exits == (("Offer", "Lost"), ("Lead", "Won"))
    assert dict(funnel.earns) == {"Won": 1.0}


def test_wrong_visits_are_refused_by_name() -> None:
    with pytest.raises(FunnelError, match="'Demo' is no stage of 'two'"):
        count_exits(spells(("Demo", -2, -1, "Won")), FUNNEL)
    with pytest.raises(FunnelError, match="visit 0 to 'Lead' stops 2 days before it starts"):
        count_exits(spells(("Lead", -1, -3, "Lost")), FUNNEL)
    with pytest.raises(FunnelError, match="age bins must start at 0 and ascend"):
        count_exits(spells(("Lead", -3, -1, "Lost")), FUNNEL, bins=(0, 5, 5))


# Remission of 21 patients on 6-MP, weeks; + is censored (Gehan 1965). The exponential rate is 9 / 359.
GEHAN = [6, 6, 6, 7, 10, 13, 16, 22, 23]
GEHAN_CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def test_gehan_rate_is_nine_over_359() -> None:
    left = [("On", -100.0, -100.0 + weeks, "Won") for weeks in GEHAN]
    still = [("On", -100.0, -100.0 + weeks, "") for weeks in GEHAN_CENSORED]
    counts = count_exits(spells(*left, *still), ONE, bins=(0,))
    assert counts.events.item() == 9
    assert counts.exposure.item() == 359


def test_sixty_thousand_visits_are_counted_at_once() -> None:
    rng = np.random.default_rng(3)
    start = -rng.uniform(0, 900, 60_000)
    stop = np.minimum(start + rng.exponential(40, 60_000), 0)
    taken = np.where(stop < 0, rng.choice(["Offer", "Lost"], 60_000), "")
    frame = pd.DataFrame({"stage": "Lead", "start": start, "stop": stop, "exit": taken})
    counts = count_exits(frame, FUNNEL)
    assert_allclose(counts.exposure.sum(), (stop - start).sum())
    assert counts.events.sum() == (stop < 0).sum()


def test_ebmt3_transitions_with_late_entry(real_data: Path) -> None:
    """Published counts of the illness-death model: transplant -> recovery -> relapse or death."""
    long = pd.read_csv(real_data / "reference" / "ebmt3_long.csv", dtype={"from": str, "to": str})
    names = {"0": "Tx", "1": "PR", "2": "RelDeath", "cens": ""}
    frame = pd.DataFrame({"stage": long["from"].map(names), "exit": long["to"].map(names)})
    frame["start"], frame["stop"], frame["since"] = 0.0, long["exit"], long["entry"]
    illness = Funnel(
        "ebmt3", ("Tx", "PR"), ("RelDeath",), (("PR", "RelDeath"), ("RelDeath",)), {"RelDeath": 1.0}
    )
    counts = count_exits(frame, illness)
    assert counts.events[0].sum(-1).tolist() == [[1169, 458], [383, 0]]
    assert_allclose(
        counts.exposure[0].sum(-1), (long["exit"] - long["entry"]).groupby(long["from"]).sum().to_numpy()
    )
