"""The money of a history: one currency or rates to it, each win its own amount, refunds no wins."""

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.export import tidy_log
from funnelsim.history.log import History, bookings, open_leads, valued
from funnelsim.history.read import read_history

COLUMNS = {"lead": "customer", "stage": "what", "at": "paid", "value": "amount"}
EACH = {"columns": COLUMNS, "won": "paid", "wins": "each"}


def log(*amounts: str, code: tuple[str, ...] | None = None) -> pd.DataFrame:
    rows = [
        (f"L{n}", place, f"2025-0{month}-{n + 1:02d}", amount)
        for n, amount in enumerate(amounts)
        for place, month in (("New", 1), ("Won", 2))
    ]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])
    return frame if code is None else frame.assign(currency=[name for name in code for _ in "ab"])


def payments(*rows: tuple[str, str, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer", "paid", "amount"]).assign(what="paid")


def lines(history: History) -> dict[str, int]:
    return {line.kind: line.count for line in history.quality.findings}


@pytest.mark.parametrize(
    "amounts", [("€1,000", "$1,000"), ("EUR 1,000", "USD 1,000"), ("1000 €", "1000 £", "5")]
)
def test_signs_in_cells_are_tested_as_a_column_is(amounts: tuple[str, ...]) -> None:
    with pytest.raises(
        FunnelError, match=r"column 'value': amounts in EUR, (USD|GBP) cannot be added up.*`rates`"
    ):
        read_history(log(*amounts))


def test_a_column_of_currencies_offers_where_and_rates() -> None:
    with pytest.raises(FunnelError, match=r"where: \{currency: EUR\}`, or give `rates` to one currency"):
        read_history(log("1", "2", code=("EUR", "USD")))
    chosen = read_history(log("1", "2", code=("EUR", "USD")), {"where": {"currency": "USD"}})
    assert (bookings(chosen)["value"].tolist(), chosen.currency) == ([2.0], "USD")


@pytest.mark.parametrize(
    "table",
    [
        log("€1,000", "$500", "£100", "7"),
        log("1000", "500", "100", "7", code=("EUR", "usd", "GBP", "")),
        log("1000", "$500", "£100", "7", code=("Euro", "USD", "", "")),
    ],
)
def test_rates_convert_to_the_currency_of_the_mapping(table: pd.DataFrame) -> None:
    made = read_history(table, {"currency": "EUR", "rates": {"USD": 0.9, "GBP": 1.2}})
    assert bookings(made)["value"].tolist() == [1000.0, 450.0, 120.0, 7.0]
    assert made.currency == "EUR"
    assert lines(made)["amounts converted"] == 4, "two deals in two rows each"
    assert lines(made)["amounts without a currency"] == 2


def test_wrong_rates_are_refused() -> None:
    table = log("€1", "$2")
    with pytest.raises(FunnelError, match="`rates` needs the currency they lead to"):
        read_history(table, {"rates": {"USD": 0.9}})
    with pytest.raises(FunnelError, match="row 3: no rate for 'USD'; give one under `rates`"):
        read_history(table, {"rates": {"GBP": 0.9}, "currency": "EUR"})
    with pytest.raises(FunnelError, match="rates: USD: -1.0 given, expected more than 0"):
        read_history(table, {"rates": {"USD": -1}, "currency": "EUR"})


def test_a_sign_must_fit_the_column_and_the_mapping() -> None:
    with pytest.raises(FunnelError, match="row 1: EUR stands beside an amount in USD"):
        read_history(log("$1", code=("EUR",)))
    with pytest.raises(FunnelError, match="row 1; the mapping says|row 1: the mapping says `currency: EUR`"):
        read_history(log("$1"), {"currency": "EUR"})
    assert read_history(log("$1", code=("AUD",))).currency == "AUD", "a bare dollar sign is any dollar"
    assert read_history(log("$1"), {"currency": "CAD"}).currency == "CAD"


def test_an_unknown_currency_stays_unknown() -> None:
    made = read_history(log("1", "2"))
    assert made.currency == ""
    assert valued(made)[1] == ""
    assert valued(read_history(log("", "")))[1] == "wins"
    assert read_history(log("1", "2"), {"currency": "chf"}).currency == "CHF"


def test_two_payments_of_a_day_keep_their_amounts() -> None:
    rows = [(f"C{c}", f"2025-0{m}-15", a) for c in range(6) for m in range(1, 6) for a in (100, 40)]
    made = read_history(payments(*rows), EACH)
    assert len(bookings(made)) == 60
    assert bookings(made)["value"].sum() == 4200.0
    again = read_history(tidy_log(made), {"won": "paid", "wins": "each"})
    pd.testing.assert_frame_equal(bookings(again), bookings(made))
    assert bookings(made.as_of("2025-02-20"))["value"].sum() == 6 * 2 * 140.0


def test_a_blank_payment_takes_no_other_s_amount() -> None:
    made = read_history(
        payments(("a", "2025-01-01", "100"), ("a", "2025-02-01", ""), ("a", "2025-03-01", "50")), EACH
    )
    assert bookings(made)["value"].fillna(-1).tolist() == [100.0, -1.0, 50.0]


def test_a_win_without_an_amount_is_worth_what_was_offered_since_the_last_one() -> None:
    rows = [("Offer", "30"), ("Won", ""), ("Won", ""), ("Offer", "20"), ("Won", "25")]
    frame = pd.DataFrame(rows, columns=["stage", "value"]).assign(lead="a")
    made = read_history(
        frame.assign(at=pd.date_range("2025-01-01", periods=5)), {"won": "Won", "wins": "each"}
    )
    assert bookings(made)["value"].fillna(-1).tolist() == [30.0, -1.0, 25.0]


def test_exact_copies_of_a_payment_are_told_and_kept() -> None:
    made = read_history(
        payments(("a", "2025-01-01", 9), ("a", "2025-01-01", 9), ("a", "2025-01-01", 8)), EACH
    )
    assert bookings(made)["value"].sum() == 26.0
    assert lines(made)["exact copies of a win"] == 1


PAID = (("a", "2025-01-01", 100), ("a", "2025-02-01", 50), ("a", "2025-02-10", -70), ("b", "2025-03-01", 30))


def test_a_refund_needs_a_word_of_the_mapping() -> None:
    with pytest.raises(FunnelError, match=r"row 3: '-70' is a negative amount.*`refunds: subtract`"):
        read_history(payments(*PAID), EACH)


def test_refunds_are_set_aside_or_taken_off() -> None:
    aside = read_history(payments(*PAID), {**EACH, "refunds": "set aside"})
    assert bookings(aside)["value"].tolist() == [100.0, 50.0, 30.0]
    made = read_history(payments(*PAID), {**EACH, "refunds": "subtract"})
    assert bookings(made)["value"].tolist() == [80.0, 0.0, 30.0], "the latest payment first"
    assert (lines(made)["refunds"], made.quality.read, made.quality.used) == (1, 4, 3)
    assert any("Refunds are taken off" in limit for limit in made.limits)


def test_a_refund_of_more_than_was_paid_is_told() -> None:
    made = read_history(payments(*PAID, ("b", "2025-04-01", -45)), {**EACH, "refunds": "subtract"})
    assert bookings(made)["value"].sum() == 80.0
    line = next(line for line in made.quality.findings if line.kind == "refunds of more than was paid")
    assert "15.00 of them" in line.done


def test_a_negative_amount_of_an_open_lead_is_no_refund() -> None:
    with pytest.raises(FunnelError, match="of a lead that is not won"):
        read_history(log("5", "-6")[:3], {"refunds": "subtract"})


def test_an_open_amount_is_summed_as_it_is_shown() -> None:
    assert open_leads(read_history(log("5", "$6")[:3]))["value"].tolist() == [6.0]


@pytest.mark.parametrize(
    ("cells", "amounts", "currency"),
    [
        (["₹12,34,567.50", "₹7,000"], [1234567.5, 7000.0], "INR"),
        (["1000円", "700円"], [1000.0, 700.0], "JPY"),
        (["CHF 1'000.50", "CHF 700"], [1000.5, 700.0], "CHF"),
    ],
)
def test_amounts_as_other_countries_write_them(cells: list[str], amounts: list[float], currency: str) -> None:
    table = pd.DataFrame(
        [(str(row), place, f"2025-01-0{day}", cell)
         for row, cell in enumerate(cells) for day, place in ((1, "Offer"), (2, "Won"))],
        columns=["lead", "stage", "at", "value"],
    )  # fmt: skip
    made = read_history(table)
    assert (bookings(made)["value"].tolist(), made.currency) == (amounts, currency)
