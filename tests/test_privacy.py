"""Names of people stay out of a history unless they are asked for."""

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, spells
from funnelsim.history.read import read_history

FRAME = pd.DataFrame(
    [
        ("bo@example.org", "Lead", "2026-01-01", "Ann", "Bo Smith", "+49 30 123456"),
        ("bo@example.org", "Won", "2026-01-05", "Ann", "Bo Smith", "+49 30 123456"),
        ("al@example.org", "Lead", "2026-01-02", "", "Al Jones", ""),
    ],
    columns=["lead", "stage", "at", "owner", "contact name", "phone"],
)


def everything(history: History) -> str:
    return " ".join(
        [history.events.to_csv(), history.leads.to_csv(), history.updates.to_csv(), repr(history.quality)]
    )


def test_columns_that_are_not_needed_are_not_kept() -> None:
    made = read_history(FRAME)
    assert "Smith" not in everything(made)
    assert "+49" not in everything(made)


def test_leads_named_by_an_address_are_numbered_unless_asked() -> None:
    made = read_history(FRAME)
    assert made.events["lead"].tolist() == ["lead 1", "lead 2", "lead 2"]
    assert any("numbered instead" in limit for limit in made.limits)
    assert read_history(FRAME, personal=True).events["lead"][0] == "al@example.org"


def test_a_key_hashes_leads_and_owners_the_same_way_every_time() -> None:
    made, again = read_history(FRAME, anonymise="secret"), read_history(FRAME[:2], anonymise="secret")
    assert "Ann" not in everything(made)
    assert "@" not in everything(made)
    assert again.events["lead"][0] in set(made.events["lead"])
    assert read_history(FRAME, anonymise="other").events["lead"][0] not in set(made.events["lead"])
    assert spells(made)["owner"].nunique() == 2, "a blank owner stays unknown"
    with pytest.raises(FunnelError, match="an empty key"):
        read_history(FRAME, anonymise="")
