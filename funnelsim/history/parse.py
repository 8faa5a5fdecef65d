"""Cells to moments and to money: dates of every kind, amounts, currencies, refunds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.history.quality import Finding, found

BLANK = ("", "-", "--", "n/a", "na", "nan", "nat", "none", "null", "(blank)", "#n/a", "0000-00-00")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
CLOCK = (
    r"(?:[ T,]+(?P<half>上午|下午)?\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?"
    r"\s*(?P<noon>[AaPp])?\.?(?:[Mm]\.?)?)?$"
)
ISO = (
    r"^\d{4}-\d{1,2}-\d{1,2}(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)
LOCAL = r"^(?P<first>\d{1,2})[./-](?P<second_part>\d{1,2})[./-](?P<year>\d{4}|\d{2})" + CLOCK
YEAR_FIRST = r"^(?P<year>\d{4})[./年-](?P<month>\d{1,2})[./月-](?P<day>\d{1,2})日?" + CLOCK
NAMED = r"^(?P<day>\d{1,2})[. -]+(?P<name>[A-Za-z]{3})[a-z]*[.,]?[ -]+(?P<year>\d{4}|\d{2})" + CLOCK
NAMED_FIRST = r"^(?P<name>[A-Za-z]{3})[a-z]*\.? +(?P<day>\d{1,2}),? +(?P<year>\d{4})" + CLOCK
EARLIEST, LATEST = pd.Timestamp("1970-01-01"), pd.Timestamp("2200-01-01")
ZONED = r"\d\s?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$"
SIGNS = {
    "US$": "USD", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD",
    "S$": "SGD", "R$": "BRL", "MX$": "MXN", "NT$": "TWD", "$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY",
    "￥": "CNY", "元": "CNY", "円": "JPY", "원": "KRW",
    "₹": "INR", "₽": "RUB", "₺": "TRY", "₩": "KRW", "₪": "ILS", "₴": "UAH",
    "₫": "VND", "₱": "PHP", "฿": "THB", "zł": "PLN", "Kč": "CZK", "Fr.": "CHF", "SFr.": "CHF", "Ft": "HUF",
    "kr": "", "kr.": "",
}  # fmt: skip
NAMES = {
    "euro": "EUR", "euros": "EUR", "us dollar": "USD", "us dollars": "USD", "u.s. dollar": "USD",
    "pound sterling": "GBP", "british pound": "GBP", "swiss franc": "CHF", "canadian dollar": "CAD",
    "australian dollar": "AUD", "japanese yen": "JPY", "chinese yuan": "CNY", "brazilian real": "BRL",
    "indian rupee": "INR", "swedish krona": "SEK", "norwegian krone": "NOK", "danish krone": "DKK",
}  # fmt: skip
SIGN = "(?:" + "|".join(map(re.escape, sorted(SIGNS, key=len, reverse=True))) + "|[A-Za-z]{3}|[A-Z]{2})"
# As in "Amount (EUR)", "Value in USD" and "Umsatz €".
HEADED = re.compile(
    r"^(?P<name>.*?[^\s(\[])(?:\s*[(\[]\s*|\s+in\s+|\s+)(?P<sign>[^\s()\[\]]+)\s*[)\]]?$", re.IGNORECASE
)
INDIAN = r"-?\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?"  # lakh and crore: 12,34,567.50
MANY = 1e15
# A bare sign may stand for any of these; a column or a mapping that names one of them is right.
ALIKE = {
    "USD": frozenset(["USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD", "ARS", "CLP", "COP"]),
    "CNY": frozenset(("CNY", "JPY")),
}
RATES = "give `rates` to one currency in the mapping, such as `currency: EUR` with `rates: {USD: 0.92}`"
TAKEN_OFF = "set aside: no win, taken off the payments before it"
EARLIER = "Refunds are taken off the payments before them, also where an earlier date is asked for."


def day_first(texts: pd.Series, where: str) -> bool | None:
    """Return whether dates like 03/04/2026 name the day first; None where nothing tells.

    Args:
        texts: all dates of the file that are written the same way.
        where: file and column, for the sentence.

    Raises:
        FunnelError: some say one and some the other.

    >>> day_first(pd.Series(["03/04/2026", "25/04/2026"]), "a.csv")
    True
    """
    texts = texts[texts.str.slice(4, 5) != "-"].drop_duplicates()
    parts = texts.str.extract(LOCAL)
    first, second = (pd.to_numeric(parts[name]) for name in ("first", "second_part"))
    if ((first > 12).any()) and ((second > 12).any()):
        rows = [int((column > 12).to_numpy().argmax()) for column in (first, second)]
        day, month = (f"row {texts.index[row]}: {shown(texts.iloc[row])}" for row in rows)
        raise FunnelError(
            f"{where}: the day comes first in one date ({day}) and the month in another ({month})"
        )
    if (first > 12).any() or texts.str.contains(r"^\d{1,2}\.\d{1,2}\.\d", regex=True).any():
        return True
    return False if (second > 12).any() else None


def to_moments(cells: pd.Series, where: str, first: bool | None = None, zone: str = "UTC") -> pd.Series:
    """Return cells as moments without a zone, blank where the cell is.

    Args:
        cells: as they stand in the file, indexed by row number.
        where: file and column, for the sentence ("deals.csv, column 'Created'").
        first: whether 03/04/2026 names the day first, where the column alone does not tell.
        zone: the zone in which moments with a zone are shown.

    Raises:
        FunnelError: a cell is no date, or it cannot be told whether day or month comes first; names the row.
    """
    if isinstance(cells.dtype, pd.DatetimeTZDtype) or cells.dtype.kind == "M":
        return _plain(cells, zone)
    if cells.dtype == object and cells.map(lambda cell: hasattr(cell, "year") or pd.isna(cell)).all():
        aware = cells.map(lambda cell: getattr(cell, "tzinfo", None) is not None).any()
        return _plain(pd.to_datetime(cells, errors="coerce", utc=bool(aware)), zone)
    text = cells.astype("str").str.strip().mask(cells.isna(), "")
    text = text.mask(text.str.lower().isin(BLANK) | text.str.startswith("0000-00-00"), "")
    moments = _quickly(text)
    slow = moments.isna() & (text != "")
    if slow.any():
        unique = text[slow].str.replace(r"[\u00a0\u202f]", " ", regex=True).drop_duplicates()
        parsed = _parsed(unique, where, first, zone).to_numpy()
        found = pd.Series(parsed, index=text[unique.index].to_numpy(), dtype="datetime64[us]")
        moments = moments.fillna(text[slow].map(found[~found.index.duplicated()]).astype("datetime64[us]"))
    wrong = (text != "") & (moments.isna() | (moments < EARLIEST) | (moments > LATEST))
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        cell = f"row {text.index[row]}: {shown(text.iloc[row])}"
        raise FunnelError(f"{where}, {cell} is no date; expected one like 2026-03-31")
    return moments


def carries_zone(cells: pd.Series) -> bool:
    """Return whether any moment of a column carries a time zone.

    >>> [carries_zone(pd.Series([cell])) for cell in ("2026-03-31T10:00Z", "2026-03-31 10:00")]
    [True, False]
    """
    return bool(_zoned(cells).any())


def _zoned(cells: pd.Series) -> pd.Series:
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return cells.notna()
    if cells.dtype.kind in "iufbM":
        return pd.Series(False, cells.index)
    text = cells.astype("str").str.strip()
    zoned: pd.Series = text.str.contains(":", regex=False) & text.str.slice(-6).str.contains(
        "[ZC+-]", regex=True
    )
    # Few are left; the pattern itself is slow, as only Python knows it.
    zoned[zoned] = text[zoned].str.contains(ZONED, regex=True)
    return zoned


def has_local_dates(cells: pd.Series) -> bool:
    """Return whether any date of a column is written like 03/04/2026, so that its order matters.

    >>> has_local_dates(pd.Series(["03/04/2026"])), has_local_dates(pd.Series(["2026-04-03"]))
    (True, False)
    """
    return cells.dtype.kind not in "iufbM" and bool(cells.astype("str").str.strip().str.match(LOCAL).any())


def to_instants(cells: pd.Series, moments: pd.Series, zone: str) -> pd.Series:
    """Return when each moment was in universal time: the hour that a clock shows twice keeps its order.

    Args:
        cells: as they stand in the file.
        moments: what `to_moments` made of them, as shown in the zone.
        zone: in which the moments are shown; those of cells without a zone are meant in it.
    """
    own = _zoned(cells)
    place = _zone(zone)
    shift = pd.Timedelta(hours=1)
    local = moments.dt.tz_localize(place, ambiguous=np.ones(len(moments), dtype=bool), nonexistent=shift)
    universal: pd.Series = local.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    known = to_moments(cells[own], "", zone="UTC")
    return universal.where(~own, known.reindex(cells.index))


def _quickly(text: pd.Series) -> pd.Series:
    """Return the moments of those texts that are plain ISO without a zone, NaT for all others."""
    plain = (text.str.slice(4, 5) == "-") & (text.str.slice(7, 8) == "-")
    plain &= ~text.str.slice(10).str.contains("[^-T 0-9:.]|-", regex=True)
    return pd.to_datetime(text.where(plain), format="ISO8601", errors="coerce").astype("datetime64[us]")


def _plain(moments: pd.Series, zone: str) -> pd.Series:
    if isinstance(moments.dtype, pd.DatetimeTZDtype):
        moments = moments.dt.tz_convert(_zone(zone)).dt.tz_localize(None)
    return moments.astype("datetime64[us]")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise FunnelError(f"'{name[:60]}' is no time zone; expected one like Europe/Berlin") from None


def _parsed(text: pd.Series, where: str, first: bool | None, zone: str) -> pd.Series:
    """Return the moment of each text, NaT where none of the known ways of writing fits."""
    found = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    iso = text.str.fullmatch(ISO)
    stamps = (
        text[iso].str.replace(",", ".").str.replace(" UTC", "Z").str.replace(r" ([+-])", r"\1", regex=True)
    )
    zoned = stamps.str.contains(r"(?:Z|:[\d.]+[+-][\d:]+)$", regex=True)
    aware = pd.to_datetime(stamps[zoned], format="ISO8601", utc=True, errors="coerce")
    found.loc[aware.index] = _plain(aware, zone)
    plain = stamps[~zoned].str.replace(r"(?<=-)(\d)(?=\D|$)", r"0\1", regex=True)
    naive = pd.to_datetime(plain, format="ISO8601", errors="coerce")
    found.loc[naive.index] = naive.astype("datetime64[us]")
    rest = text[~iso]
    numeric = rest[rest.str.fullmatch(r"\d+(?:\.\d+)?")]
    found.loc[numeric.index] = _from_numbers(numeric)
    rest = rest.drop(numeric.index)
    for pattern in (YEAR_FIRST, NAMED, NAMED_FIRST, LOCAL):
        parts = rest.str.extract(pattern)
        parts = parts[parts["year"].notna()]
        if parts.empty:
            continue
        if pattern == LOCAL:
            parts = _ordered(parts, rest, where, first)
        found.loc[parts.index] = _joined(parts)
        rest = rest.drop(parts.index)
    return found


def _ordered(parts: pd.DataFrame, text: pd.Series, where: str, first: bool | None) -> pd.DataFrame:
    decided = day_first(text.loc[parts.index], where)
    decided = first if decided is None else decided
    same = (parts["first"] == parts["second_part"]).all()
    if decided is None and not same:
        row = parts.index[(parts["first"] != parts["second_part"]).to_numpy()][0]
        raise FunnelError(
            f"{where}, row {row}: {shown(text[row])} may have the day or the month first, and no other date "
            "of the file tells; say `date_order: day first` or `date_order: month first` in the mapping"
        )
    day, month = ("first", "second_part") if decided else ("second_part", "first")
    return parts.rename(columns={day: "day", month: "month"})


def _joined(parts: pd.DataFrame) -> pd.Series:
    """Return the moments that year, month (number or name), day and clock make."""
    number = {name: pd.to_numeric(parts[name]) for name in ("year", "day", "hour", "minute", "second")}
    if "name" in parts.columns:
        month = parts["name"].str.lower().map({name: n for n, name in enumerate(MONTHS, 1)})
    else:
        month = pd.to_numeric(parts["month"])
    year = number["year"].where(
        number["year"] >= 100, number["year"] + np.where(number["year"] < 70, 2000, 1900)
    )
    stamps = pd.to_datetime(
        pd.DataFrame({"year": year, "month": month, "day": number["day"]}), errors="coerce"
    )
    hour = number["hour"].fillna(0)
    afternoon = (parts["noon"].str.lower() == "p") | (parts["half"] == "下午")
    morning = (parts["noon"].str.lower() == "a") | (parts["half"] == "上午")
    hour = hour.mask(morning & (hour == 12), 0).mask(afternoon & (hour < 12), hour + 12)
    seconds = 3600 * hour + 60 * number["minute"].fillna(0) + number["second"].fillna(0)
    valid = (hour < 24) & (number["minute"].fillna(0) < 60) & (number["second"].fillna(0) < 60)
    return (stamps + pd.to_timedelta(seconds, unit="s")).where(valid).astype("datetime64[us]")


def _from_numbers(text: pd.Series) -> pd.Series:
    """Return moments from 20260331, Excel's days since 1900, and seconds or milliseconds since 1970."""
    number = text.astype(np.float64)
    compact = pd.to_datetime(
        text.where(text.str.fullmatch(r"(?:19|20)\d{6}")), format="%Y%m%d", errors="coerce"
    )
    excel = pd.Timestamp("1899-12-30") + pd.to_timedelta(
        number.where(number.between(20_000, 90_000)), unit="D"
    )
    seconds = pd.to_datetime(number.where(number.between(1e8, 5e9)), unit="s")
    milliseconds = pd.to_datetime(number.where(number.between(1e11, 5e12)), unit="ms")
    found = compact.astype("datetime64[us]")
    for other in (excel.dt.round("ms"), seconds, milliseconds):
        found = found.fillna(other.astype("datetime64[us]"))
    return found


def to_amounts(cells: pd.Series, where: str, decimal: str = "", refunds: bool = False) -> pd.Series:
    """Return cells as amounts, nan where the cell is blank.

    Args:
        cells: as they stand in the file, indexed by row number.
        where: file and column, for the sentence.
        decimal: "comma" or "point"; told from the whole column when not given.
        refunds: whether amounts may be negative.

    Raises:
        FunnelError: a cell is no amount, or a negative one; names the row.

    >>> to_amounts(pd.Series(["1.234,50 €", "", "20"]), "a.csv").tolist()
    [1234.5, nan, 20.0]
    """
    if cells.dtype.kind in "iuf":
        amounts = cells.astype(np.float64)
        text = cells.astype("str")
    else:
        text = cells.astype("str").str.strip().mask(cells.isna(), "")
        text = text.mask(text.str.lower().isin(BLANK), "")
        codes, unique = pd.factorize(text)
        parsed = _amount(pd.Series(unique, dtype="str"), decimal).to_numpy(dtype=np.float64)
        amounts = pd.Series(parsed[codes], index=cells.index)
    blank = (text == "") | cells.isna()
    for wrong, problem in (
        (~blank & ~np.isfinite(amounts), "is no amount; expected one like 1234.50"),
        (
            (amounts < 0) & (not refunds),
            "is a negative amount; expected zero or more (for refunds a mapping says `refunds: subtract`)",
        ),
        (amounts.abs() > MANY, "is too large an amount"),
    ):
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise FunnelError(f"{where}, row {text.index[row]}: {shown(text.iloc[row])} {problem}")
    return amounts


def currency_code(name: str) -> str:
    """Return the three letters of a currency that is called by its code, its sign or its usual name.

    >>> currency_code("eur"), currency_code("US Dollar"), currency_code("€"), currency_code("")
    ('EUR', 'USD', 'EUR', '')
    """
    bare = name.strip()
    return NAMES.get(bare.casefold()) or SIGNS.get(bare) or bare.upper()


def name_and_currency(name: str) -> tuple[str, str]:
    """Return a column's name without the currency that it ends with, and that currency ("" for none).

    >>> [name_and_currency(name) for name in ("Amount (EUR)", "Value in usd", "Umsatz €", "Amount ARR")]
    [('Amount', 'EUR'), ('Value', 'USD'), ('Umsatz', 'EUR'), ('Amount ARR', '')]
    """
    found = HEADED.match(name.strip())
    code = currency_code(found["sign"]) if found else ""
    if found is None or code not in {*SIGNS.values(), *NAMES.values()} - {""}:
        return name, ""
    return found["name"], code


def currencies_in(cells: pd.Series) -> pd.Series:
    """Return the currency whose sign or code stands with each amount, "" where there is none.

    >>> currencies_in(pd.Series(["12 €", "$1.50", "USD 3", "4", ""])).tolist()
    ['EUR', 'USD', 'USD', '', '']
    """
    if cells.dtype.kind in "iufbM":
        return pd.Series("", cells.index, dtype="str")
    text = cells.astype("str").str.strip().mask(cells.isna(), "")
    codes, unique = pd.factorize(text)
    bare = _bare(pd.Series(unique, dtype="str"))
    sign = bare.str.extract(rf"^\(?-?({SIGN})")[0].fillna(bare.str.extract(rf"({SIGN})\)?$")[0]).fillna("")
    known = sign.map(SIGNS).fillna(sign.where(sign.str.len() == 3, "").str.upper())
    blank = pd.Series(unique, dtype="str").str.lower().isin(BLANK)
    return pd.Series(known.mask(blank, "").to_numpy()[codes], cells.index, dtype="str")


def _amount(text: pd.Series, decimal: str) -> pd.Series:
    bare = _numbers(text)
    if (decimal or decimal_mark(text).decimal) == "comma":
        bare = bare.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    else:
        bare = bare.str.replace(",", "", regex=False)
    return pd.to_numeric(
        bare.where(bare.str.fullmatch(r"-?\d*\.?\d+(?:[eE][+-]?\d{1,2})?|-?\d+\.")), errors="coerce"
    )


def _numbers(text: pd.Series) -> pd.Series:
    """Return amounts without the signs of currencies and blanks, brackets as a minus sign."""
    bare = _bare(text).str.replace(rf"^(\(?-?){SIGN}|{SIGN}(\)?)$", r"\1\2", regex=True)
    bare = bare.mask(bare.str.fullmatch(INDIAN), bare.str.replace(",", "", regex=False))
    return bare.str.replace(r"^\((.*)\)$", r"-\1", regex=True)


def _bare(text: pd.Series) -> pd.Series:
    """Return texts without the blanks and apostrophes between thousands, and with plain minus signs."""
    return text.str.replace(r"[\s\u00a0\u202f'’]", "", regex=True).str.replace("\u2212", "-")


@dataclass(frozen=True)
class Mark:
    """The decimal mark of a column of amounts: "point", "comma", or "" where no amount has a mark.

    Args:
        decimal: which it is.
        doubt: an amount that could be read otherwise, as it stands; "" where there is none.
    """

    decimal: str
    doubt: str


def decimal_mark(cells: pd.Series, stated: str = "", separator: str = "") -> Mark:
    """Return which mark is the decimal one, told by the whole column.

    Args:
        cells: amounts as they stand in the file.
        stated: "comma" or "point", where it is known.
        separator: the sign between the cells of the file; a comma cannot be the decimal mark, too.

    >>> decimal_mark(pd.Series(["3.150", "4.250"]), separator=",")
    Mark(decimal='point', doubt='3.150')
    >>> decimal_mark(pd.Series(["3.150", "4.250"])).decimal, decimal_mark(pd.Series(["3.150", "4.2"])).doubt
    ('comma', '')
    """
    if cells.dtype.kind in "iufbM":
        return Mark("", "")
    text = cells.astype("str").str.strip().mask(cells.isna(), "").drop_duplicates()
    bare = _numbers(text.mask(text.str.lower().isin(BLANK), ""))
    marked = bare[bare.str.contains("[.,]", regex=True)]
    if stated or marked.empty:
        return Mark(stated if len(marked) else "", "")
    mark = _told_mark(bare)
    if mark:
        return Mark(mark, "")
    comma = marked.str.contains(",", regex=False).any()
    return Mark("point" if comma or separator == "," else "comma", str(marked.iloc[0]))


def _told_mark(bare: pd.Series) -> str:
    """Return the decimal mark that the amounts tell, "" where all of them have groups of three digits."""
    both = bare[bare.str.contains(".", regex=False) & bare.str.contains(",", regex=False)]
    if len(both):
        return "comma" if both.str.rfind(",").gt(both.str.rfind(".")).mean() > 0.5 else "point"
    sign = "," if bare.str.contains(",", regex=False).any() else "."
    marked = bare.str.contains(sign, regex=False)
    grouped = bare[marked].str.fullmatch(rf"-?[1-9]\d{{0,2}}(?:\{sign}\d{{3}})+").all()
    if grouped and bare[marked].str.count(re.escape(sign)).max() > 1:
        return "point" if sign == "," else "comma"
    thousands = bare[~marked].str.fullmatch(r"-?\d{4,}").any()
    if grouped and not thousands:
        return ""
    return "comma" if sign == "," and not grouped else "point"


@dataclass(frozen=True)
class Money:
    """Amounts in one currency ("" where none is stated), one per row, and what was found."""

    value: pd.Series
    currency: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Currencies:
    """What a table and its mapping say of currencies.

    Args:
        where: the file and the column with the amounts, for sentences.
        column: the name of the column of currencies, "" for none.
        named: the currency that this column names for each row, "" where it is blank.
        signs: the currency whose sign or code stands with each amount, "" where there is none.
        stated: that of the mapping, "" for none.
        rates: currency -> worth in the one stated.
    """

    where: str
    column: str
    named: pd.Series
    signs: pd.Series
    stated: str
    rates: dict[str, float]


def _fits(sign: pd.Series, name: pd.Series) -> pd.Series:
    """Return whether each sign can stand for the currency that is named beside it."""
    fits = (sign == "") | (sign == name)
    for code, others in ALIKE.items():
        fits |= (sign == code) & name.isin(others)
    return fits


def in_one_currency(value: pd.Series, told: Currencies) -> Money:
    """Return amounts in one currency.

    Args:
        value: amounts, one per row.
        told: what is said of their currencies, one cell per row.

    Raises:
        FunnelError: several currencies and no rates, a currency without a rate, or a sign that contradicts
            the column or the mapping; names the row.
    """
    if (told.named == "").all() and (told.signs == "").all() and not told.rates:
        return Money(value, told.stated)
    named = told.named.where(told.named != "", told.signs)
    wrong = (told.named != "") & ~_fits(told.signs, told.named)
    _refuse(wrong, told, "{} stands beside an amount in {}", told.named, told.signs)
    there = sorted(set(named) - {""}, key=list(named).index)
    if told.rates:
        return _converted(value, named, told)
    if len(there) > 1:
        where = f"choose with `where: {{{told.column}: {there[0]}}}`, or " if told.column else ""
        raise FunnelError(
            f"{told.where}: amounts in {', '.join(there[:6])} cannot be added up; {where}{RATES}"
        )
    if told.stated and there:
        other = (named != "") & ~_fits(named, pd.Series(told.stated, named.index))
        _refuse(other, told, "the mapping says `currency: {}`, the amount is in {}", named, named)
    return Money(value, told.stated or "".join(there))


def _refuse(wrong: pd.Series, told: Currencies, words: str, first: pd.Series, second: pd.Series) -> None:
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        one = told.stated if first is second else first.iloc[place]
        sentence = words.format(one, second.iloc[place])
        raise FunnelError(f"{told.where}, row {wrong.index[place]}: {sentence}; {RATES}")


def _converted(value: pd.Series, named: pd.Series, told: Currencies) -> Money:
    """Return amounts times the rate of their currency; an amount without one is in that of the mapping."""
    rates = told.rates | {told.stated: told.rates.get(told.stated, 1.0)}
    unknown = ~named.isin(["", *rates])
    if unknown.any():
        place = int(unknown.to_numpy().argmax())
        row, code = named.index[place], shown(named.iloc[place])
        raise FunnelError(f"{told.where}, row {row}: no rate for {code}; give one under `rates`")
    factor = named.replace("", told.stated).map(rates).astype(np.float64)
    findings: list[Finding] = []
    other = (named != told.stated) & (named != "") & value.notna()
    if other.any():
        codes = ", ".join(f"{code} at {rates[code]:g}" for code in sorted(set(named[other])))
        findings.append(Finding("amounts converted", int(other.sum()), codes, f"kept: in {told.stated}"))
    bare = (named == "") & value.notna()
    if bare.any():
        example = f"row {bare.index[bare.to_numpy()][0]}"
        done = f"kept: taken as {told.stated}"
        findings.append(Finding("amounts without a currency", int(bare.sum()), example, done))
    return Money(value * factor, told.stated, tuple(findings))


@dataclass(frozen=True)
class Paid:
    """Rows without refunds, what was found, and what cannot be told of them."""

    rows: pd.DataFrame
    findings: tuple[Finding, ...] = ()
    limits: tuple[str, ...] = ()


def without_refunds(rows: pd.DataFrame, wins: list[str], subtract: bool, file: str) -> Paid:
    """Return rows without those whose amount is negative: refunds of wins.

    Args:
        rows: columns lead, stage, at, value; the index is the row number in the file.
        wins: the won places.
        subtract: whether a refund is taken off the lead's payments before it, the latest first.
        file: its name, for the sentence.

    Raises:
        FunnelError: a negative amount of a row that is no win.
    """
    negative = (rows["value"] < 0).to_numpy()
    labels = set(rows.index[negative & rows["stage"].isin(wins).to_numpy()])
    odd = rows[negative & ~np.asarray(rows.index.isin(labels))]
    if len(odd):
        raise FunnelError(
            f"{file}, row {odd.index[0]}: a negative amount ({odd['value'].iloc[0]:g}) of a lead that is not "
            "won; a refund is a negative amount of a win"
        )
    if not labels:
        return Paid(rows)
    refund = np.asarray(rows.index.isin(labels))
    refunds = rows[refund & negative & rows["stage"].isin(wins).to_numpy()]
    rest = rows[~refund]
    if not subtract:
        return Paid(rest, found("refunds", refunds, "set aside: no win"))
    value, unpaid = _taken_off(rest, refunds, wins)
    findings = found("refunds", refunds, TAKEN_OFF)
    if len(unpaid):
        total = f"{sum(unpaid.values()):,.2f} of them is more than was paid before"
        findings += found("refunds of more than was paid", refunds.loc[list(unpaid)], f"not used: {total}")
    return Paid(rest.assign(value=value), findings, (EARLIER,))


def _taken_off(
    rest: pd.DataFrame, refunds: pd.DataFrame, wins: list[str]
) -> tuple[pd.Series, dict[object, float]]:
    """Return the amounts less the refunds, and what is left of each refund that exceeds what was paid."""
    order = rest.assign(turn=np.arange(len(rest)))
    paid = order[rest["stage"].isin(wins).to_numpy()].sort_values(["at", "value", "turn"], kind="stable")
    turns = {lead: part["turn"].to_list() for lead, part in paid.groupby("lead", sort=False)}
    value, at = rest["value"].to_numpy(copy=True), rest["at"].to_numpy()
    unpaid = {}
    for row, lead, moment, amount in (
        refunds[["lead", "at", "value"]].sort_values(["at", "value"]).itertuples()
    ):
        left = -float(amount)
        for turn in reversed(turns.get(lead, [])):
            if at[turn] <= np.datetime64(moment) and value[turn] > 0 and left > 0:
                part = min(left, value[turn])
                value[turn] -= part
                left -= part
        if left > 0:
            unpaid[row] = left
    return pd.Series(value, rest.index), unpaid
