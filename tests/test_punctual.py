"""Whether dates mean something is told by what became of them; files that overwrite them are found out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from companies import random_company
from hotels import company, deadlines

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.due import Punctuality, date_words, due_days, has_dates, punctuality, why_not
from funnelsim.calibration.trust import findings, trust_of
from funnelsim.history.log import DAY, History

HOTEL = Punctuality(
    wins=3204, near=3076, open=400, overdue=1, losses=900, on_date=200, after=20, followed=False
)


def crm(guess: str, overwritten: tuple[str, ...], seed: int = 8) -> History:
    """A history whose leads have a date guessed by a rep, which some ends overwrite by the day of closing.

    Args:
        guess: "once" (60 days after the lead came in), or "pushed" (always lies ahead).
        overwritten: ends that overwrite it.
    """
    history, rng = random_company(seed).history, np.random.default_rng(seed)
    came = history.events.groupby("lead")["at"].min()
    last = history.events.drop_duplicates("lead", keep="last").set_index("lead")
    ended = last["stage"].isin(("Won", "Lost"))
    date = came + pd.to_timedelta(rng.gamma(3, 20, len(came)), unit="D")
    if guess == "pushed":
        reached = last["at"].where(ended, history.until)
        date = date.where(date > reached, reached + pd.to_timedelta(rng.uniform(1, 60, len(came)), unit="D"))
    date = date.where(~last["stage"].isin(overwritten), last["at"])
    return replace(
        history, leads=history.leads.assign(expected_close=date.dt.normalize().reindex(history.leads.index))
    )


@pytest.mark.parametrize("seed", [7, 8, 12])
@pytest.mark.parametrize(
    ("guess", "overwritten", "reason"),
    [
        ("once", ("Won", "Lost"), "overdue"),
        ("once", ("Won",), "overdue"),
        ("pushed", ("Won", "Lost"), "overwrite it on closing"),
        ("once", (), "came within one day"),
        ("pushed", (), "came within one day"),
    ],
)
def test_the_dates_of_a_plain_crm_are_not_trusted(
    guess: str, overwritten: tuple[str, ...], reason: str, seed: int
) -> None:
    history = crm(guess, overwritten, seed)
    model = fit_model(history)
    assert model.due is None
    said = [note for note in model.notes if note.startswith("Dates:")]
    assert len(said) == 1
    assert "not used" in said[0] and reason in said[0]


def test_a_date_of_closing_taken_for_an_expected_one_is_found_out() -> None:
    history = crm("once", ("Won", "Lost"))
    ended = history.events.loc[history.events["stage"].isin(["Won", "Lost"]).to_numpy(), "lead"]
    known = history.leads["expected_close"].where(history.leads.index.isin(ended))
    taken = replace(history, leads=history.leads.assign(expected_close=known))
    assert why_not(punctuality(taken)) == "only 0 open deals have one"


def test_overdue_deals_once_cleaned_up_do_not_hide_losses_after_the_date() -> None:
    found = replace(HOTEL, overdue=0, on_date=0, after=300)
    assert why_not(found) == "33% of 900 losses came after it"


def test_a_hotel_is_believed_and_said_to_be() -> None:
    history, _ = company(1)
    assert has_dates(history)
    found = punctuality(history)
    assert not why_not(found)
    model = fit_model(history)
    assert model.due is not None
    shown = [
        note
        for note in findings(trust_of(history, model), open_pipeline(history, model))
        if note.startswith("Dates:")
    ]
    assert shown == list(date_words(found))
    assert "deals win at their expected date" in shown[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wins": 49, "near": 49}, "only 49 wins had one a week before"),
        ({"near": 2000}, "only 62% of 3,204 wins came within one day of it"),
        ({"open": 9, "overdue": 0}, "only 9 open deals have one"),
        ({"overdue": 21}, "5% of 400 open deals are overdue"),
        ({"on_date": 880},
         "98% of 900 losses fall on it as well, so the export seems to overwrite it on closing"),
        ({"losses": 15, "on_date": 2, "after": 0},
         "13 losses before it are too few to tell whether the export overwrites it on closing"),
    ],
)  # fmt: skip
def test_each_doubt_has_its_sentence(change: dict[str, int], reason: str) -> None:
    assert why_not(HOTEL) == ""
    assert why_not(replace(HOTEL, **change)) == reason
    assert date_words(replace(HOTEL, **change)) == (
        f"Dates: expected close dates are not used, as {reason}; leads win by their age.",
    )


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_deadline_on_which_losses_fall_too_is_a_clock(seed: int) -> None:
    history = deadlines(seed)
    found = punctuality(history)
    assert found.on_date == found.losses and found.apart < 0.17, "of about ninety open ones: 1.63 / 90 ** .5"
    assert found.decided and not why_not(found)
    model = fit_model(history)
    assert model.due is not None and model.due.decided
    assert "decided at their expected date, as at a deadline: 100.0%" in date_words(found)[0]
    assert abs(model.due.hits.sum() / model.due.reached.sum() - 0.4) < 0.06
    assert not len(model.due.price), "no open lead shows an amount"


def test_a_hotel_is_not_decided_at_its_date() -> None:
    model = fit_model(company(1)[0])
    assert model.due is not None
    assert not model.due.decided and model.due.hit_spread == 0.0


@pytest.mark.parametrize(
    ("change", "decided"),
    [
        ({}, True),
        ({"apart": 0.18}, False),
        ({"ahead": 29}, False),
        ({"unlike": 0.21}, False),
        ({"ahead": 3000, "apart": 0.099}, True),
        ({"losses": 19, "on_date": 19}, False),
        ({"on_date": 810}, False),
        ({"ahead": 0, "apart": 1.0, "followed": True}, True),
    ],
)
def test_what_makes_a_deadline(change: dict[str, float], decided: bool) -> None:
    record = replace(HOTEL, on_date=890, after=0, ahead=90, apart=0.17, unlike=0.2)
    assert replace(record, **change).decided is decided


def test_few_losses_are_no_doubt_where_the_record_follows_dates() -> None:
    assert why_not(replace(HOTEL, losses=3, on_date=0, after=0, followed=True)) == ""


def test_words_for_a_hotel() -> None:
    first, *others = date_words(HOTEL)
    assert "96.0% of 3,204 wins came within one day of it and 0.2% of 400 open deals are overdue" in first
    assert any("as they are now" in word for word in others)
    assert not any("as they are now" in word for word in date_words(replace(HOTEL, followed=True)))


def test_hits_are_judged_by_what_was_known_a_week_before() -> None:
    """Dates that were moved to the win's day on the eve are no hits; those known a week before are."""
    history, _ = company(1, years=1.0, groups=1)
    won = history.events[history.events["stage"] == "Won"].set_index("lead")["at"]
    came = history.events.drop_duplicates("lead").set_index("lead")["at"].reindex(won.index)
    long = won.index[(won - came) / DAY > 20]
    stated = pd.DataFrame(
        {"lead": long, "at": came[long].to_numpy(), "expected_close": (won[long] + 90 * DAY).to_numpy()}
    )
    for days, near in ((1.0, 0), (9.0, len(long))):
        eve = pd.DataFrame(
            {
                "lead": long,
                "at": (won[long] - days * DAY).to_numpy(),
                "expected_close": won[long].dt.normalize().to_numpy(),
            }
        )
        updates = pd.concat([stated, eve]).sort_values("at", kind="stable")
        updates = updates.astype({"lead": "str", "at": "datetime64[us]", "expected_close": "datetime64[us]"})
        found = punctuality(replace(history, updates=updates))
        others = punctuality(history).near - len(set(long) & _near(history))
        assert found.followed
        assert found.near == others + near


def test_a_date_stated_on_coming_in_counts_for_those_who_win_within_the_week() -> None:
    history, _ = company(1, years=1.0, groups=1)
    came = history.events.drop_duplicates("lead").set_index("lead")["at"].reindex(history.leads.index)
    stated = {"lead": came.index, "at": came.to_numpy(), "expected_close": history.leads["expected_close"]}
    updates = pd.DataFrame(stated).reset_index(drop=True).sort_values("at", kind="stable")
    updates = updates.astype({"lead": "str", "at": "datetime64[us]", "expected_close": "datetime64[us]"})
    found = punctuality(replace(history, updates=updates))
    assert found == replace(punctuality(history), followed=True)


def _near(history: History) -> set[str]:
    """Return the leads won within a day of the date that stands in the table."""
    won = history.events[history.events["stage"] == "Won"].set_index("lead")["at"].dt.normalize()
    date = history.leads["expected_close"].dt.normalize().reindex(won.index)
    return set(won.index[((won - date) / DAY).abs() <= 1])


def test_days_to_a_date_count_from_midnight_to_midnight() -> None:
    dates = pd.Series(pd.to_datetime(["2026-01-01 18:00", "2025-12-31 00:00", None]))
    assert np.array_equal(due_days(dates, pd.Timestamp("2026-01-01")), [0.0, -1.0, np.nan], equal_nan=True)
