"""Names and moves tell which places are wins, losses and stages; a doubtful guess is said."""

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.assemble import guess_ends, guess_order, last_word, plain
from funnelsim.history.read import read_history


def events(*lives: str) -> pd.DataFrame:
    rows = [(str(number), place) for number, life in enumerate(lives) for place in life.split(">")]
    return pd.DataFrame(rows, columns=["lead", "stage"])


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
    frame = events("A>Customer", "A>Lost").assign(at=pd.Timestamp("2026-01-01"))
    said = [limit for limit in read_history(frame).limits if "taken for an end" in limit]
    assert said == [
        "'Customer' taken for an end, as no lead goes on from there: name `won` and `lost` if it is not."
    ]
    assert not any("taken" in limit for limit in read_history(frame, {"won": "Customer"}).limits)


def test_the_order_is_that_of_most_leads() -> None:
    table = events("A>B>C", "B>C", "C", "C", "A>C>B", "A>B")
    assert guess_order(table, ()) == ("A", "B", "C")
    assert guess_order(events("Won"), ("Won",)) == ()
    with pytest.raises(FunnelError, match="201 different stages"):
        guess_order(events(">".join(map(str, range(201)))), ())


def test_words() -> None:
    assert plain("Closed - Won") == "closedwon"
    assert last_word("O_DECLINED") == "declined"
    assert last_word("") == ""
