"""Names and moves tell which places are wins, losses and stages; a doubtful guess is said."""

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.assemble import guess_order, met_first
from funnelsim.history.log import bookings, open_leads
from funnelsim.history.read import read_history
from funnelsim.history.vocabulary import guess_ends


def events(*lives: str) -> pd.DataFrame:
    rows = [(str(number), place) for number, life in enumerate(lives) for place in life.split(">")]
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(range(len(rows)), unit="h")
    return pd.DataFrame(rows, columns=["lead", "stage"]).assign(at=at)


@pytest.mark.parametrize("won", ["Won", "closed won", "Closed-Won", "closedwon", "赢单", "成交", "GEWONNEN"])
@pytest.mark.parametrize("lost", ["Lost", "Closed Lost", "丢单", "输单", "verloren"])
def test_ends_are_known_by_name_even_when_leads_come_back(won: str, lost: str) -> None:
    table = events(f"A>{won}>A", f"A>{lost}>A>{lost}")
    assert guess_ends((table,), "x", ()) == ((won,), (lost,))


def test_other_names_are_ends_only_where_no_lead_goes_on() -> None:
    assert guess_ends((events("A>Customer", "A>A_DECLINED"),), "x", ()) == (("Customer",), ("A_DECLINED",))
    with pytest.raises(FunnelError, match="no stage looks like a win"):
        guess_ends((events("A>Customer>A", "A"),), "x", ())
    with pytest.raises(FunnelError, match=r"\(stages: 'A', 'Former customer'\)"):
        guess_ends((events("A>A>Former customer"),), "x", ())


def test_what_is_stated_is_not_guessed() -> None:
    table = events("A>Customer", "A>Paid", "A>Left")
    assert guess_ends((table,), "x", (), (("Paid",), ())) == (("Paid",), ("Left",))
    assert guess_ends((table,), "x", ("Left",), (("Paid",), ())) == (("Paid",), ())


def test_a_doubtful_guess_is_said() -> None:
    frame = events("A>Customer", "A>Lost")
    said = [limit for limit in read_history(frame).limits if "taken for an end" in limit]
    assert said == [
        "'Customer' taken for an end, as no lead goes on from there: name `won` and `lost` if it is not."
    ]
    assert not any("taken" in limit for limit in read_history(frame, {"won": "Customer"}).limits)


def test_the_order_is_that_of_most_leads() -> None:
    table = events("A>B>C", "B>C", "C", "C", "A>C>B", "A>B")
    assert guess_order(met_first(table), ()) == ("A", "B", "C")
    assert guess_order(met_first(events("Won")), ("Won",)) == ()
    with pytest.raises(FunnelError, match="201 different stages"):
        met_first(events(">".join(map(str, range(201)))))


LABELS = {
    "Closed Won": "won", "Closed Won (Partner)": "won", "Closed/Lost - No budget": "lost",
    "Closed Lost": "lost", "Lost contact - retry": "", "Wonder demo": "", "Winback call": "",
}  # fmt: skip


def test_several_labels_of_one_end_are_all_ends() -> None:
    lives = events(*(f"New>{label}" for label in LABELS for _ in range(8)))
    made = read_history(lives)
    assert made.won == tuple(sorted(label for label, end in LABELS.items() if end == "won"))
    assert made.lost == tuple(sorted(label for label, end in LABELS.items() if end == "lost"))
    assert len(bookings(made)) == 16
    assert len(open_leads(made)) == 24


def test_a_place_that_nobody_leaves_and_that_sounds_like_an_end_is_told_with_what_to_write() -> None:
    lives = events("New>Closed Won", "New>Closed Won (Partner)", "New>Closed", "New>Lost contact>New", "New")
    frame = lives
    told = {line.kind: line for line in read_history(frame, {"won": "Closed Won"}).quality.findings}
    line = told["leads in places that look won"]
    assert (line.count, line.example) == (1, "'Closed Won (Partner)' (1 leads)")
    assert '`won: ["Closed Won", "Closed Won (Partner)"]`' in line.done
    assert told["leads in places that look won or lost"].example == "'Closed' (1 leads)"
    assert not any("Lost contact" in line.example for line in told.values()), "leads go on from there"
