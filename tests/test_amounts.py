"""Cells to amounts: decimal marks are told by the whole column, signs by their place."""

import numpy as np
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.parse import currencies_in, currency_code, to_amounts


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.234,50 €", "20"], [1234.5, 20]),
        (["$1,234.50", "$5"], [1234.5, 5]),
        (["1,234", "5"], [1234, 5]),
        (["1,5", "2"], [1.5, 2]),
        (["15.000", "120.000"], [15000, 120000]),
        (["12.5", "1200.125"], [12.5, 1200.125]),
        (["1234", "1.500"], [1234, 1.5]),
        (["1'000.50"], [1000.5]),
        (["1 000,50", "2\u00a0000,00", "3\u202f000,00"], [1000.5, 2000, 3000]),
        (["R$ 1.000,00"], [1000]),
        (["USD 12", "EUR 13"], [12, 13]),
        (["¥1,000,000"], [1e6]),
        (["1e3", ".5", "7."], [1000, 0.5, 7]),
        (["", "n/a", "-", "0"], [np.nan, np.nan, np.nan, 0]),
    ],
)
def test_amounts(cells: list[str], expected: list[float]) -> None:
    np.testing.assert_array_equal(to_amounts(pd.Series(cells), "x"), expected)


def test_the_mark_can_be_stated() -> None:
    assert to_amounts(pd.Series(["1,500"]), "x", "comma").tolist() == [1.5]
    assert to_amounts(pd.Series(["1.500"]), "x", "point").tolist() == [1.5]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("-5", "'-5' is a negative amount"),
        ("(12)", "'(12)' is a negative amount"),
        ("ninety", "'ninety' is no amount"),
        ("1.2.3", "'1.2.3' is no amount"),
        ("1e99", "'1e99' is too large an amount"),
        ("inf", "'inf' is no amount"),
        ("=1+1", "'=1+1' is no amount"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_row(cell: str, said: str) -> None:
    with pytest.raises(FunnelError) as refusal:
        to_amounts(pd.Series(["1.5", cell], index=[2, 3]), "x.csv, column 'v'")
    assert f"x.csv, column 'v', row 3: {said}" in str(refusal.value)


def test_typed_amounts() -> None:
    assert to_amounts(pd.Series([1, 2]), "x").tolist() == [1.0, 2.0]
    with pytest.raises(FunnelError, match="'-2.0' is a negative amount"):
        to_amounts(pd.Series([1.0, -2.0]), "x")


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("12 €", "EUR"), ("R$ 12", "BRL"), ("CHF 12", "CHF"), ("$ 12", "USD"), ("US$12", "USD"),
        ("12 usd", "USD"), ("($12.50)", "USD"), ("-£5", "GBP"), ("1.000,00 zł", "PLN"), ("¥1,000", "CNY"),
        ("Fr. 5", "CHF"),
        ("12", ""), ("", ""), ("n/a", ""), ("1e3", ""), ("5 kr", ""),
    ],
)  # fmt: skip
def test_the_sign_or_code_beside_an_amount(cell: str, code: str) -> None:
    assert currencies_in(pd.Series([cell])).tolist() == [code]


def test_currencies_by_name() -> None:
    assert currencies_in(pd.Series([1.0])).tolist() == [""]
    assert [currency_code(name) for name in ("eur", "Euro", "US Dollar", "£", "")] == [
        "EUR", "EUR", "USD", "GBP", "",
    ]  # fmt: skip


def test_refunds_are_amounts_where_they_are_asked_for() -> None:
    cells = pd.Series(["(12)", "-5", "-$7", "\N{MINUS SIGN}3", "8"])
    assert to_amounts(cells, "x", refunds=True).tolist() == [-12, -5, -7, -3, 8]
    with pytest.raises(FunnelError, match="for refunds a mapping says `refunds: subtract`"):
        to_amounts(cells, "x")
