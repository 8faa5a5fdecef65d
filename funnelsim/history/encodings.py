"""Bytes to text: which of the encodings that exports come in this one is."""

from __future__ import annotations

import codecs
import re

from funnelsim.errors import FunnelError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HIGH = re.compile(rb"[\x80-\xff][\x40-\xff]?")
# The common characters of each Chinese encoding stand in its first rows: GB 2312 level 1, Big5 level 1.
GB_COMMON = re.compile(rb"(?:[\xb0-\xd7\xa1-\xa3][\xa1-\xfe])")
BIG5_COMMON = re.compile(rb"(?:[\xa1-\xc6][\x40-\x7e\xa1-\xfe])")
SAMPLE = 1_000_000


def decode(data: bytes, file: str, encoding: str | None = None) -> tuple[str, str]:
    """Return a file's text and the name of its encoding: UTF-8, UTF-16, UTF-32, GBK, Big5 or Windows-1252.

    Args:
        data: the whole file.
        file: its name, for the sentence.
        encoding: the encoding to use, where the user knows it.

    Raises:
        FunnelError: the bytes are no text, or not text in the encoding given.

    >>> decode("阶段,赢单".encode("gbk"), "a.csv")
    ('阶段,赢单', 'gb18030')
    >>> decode("Müller,Köln".encode("cp1252"), "a.csv")
    ('Müller,Köln', 'cp1252')
    """
    chosen = encoding or _recognised(data, file)
    try:
        text = data.decode(chosen)
    except LookupError:
        raise FunnelError(f"{file}: '{chosen}' is no encoding; known: utf-8, utf-16, gbk, big5") from None
    except UnicodeError as error:
        place = getattr(error, "start", 0)
        row = data[:place].count(b"\n") + 1
        raise FunnelError(
            f"{file}, row {row}: not {chosen} text (byte {data[place : place + 1]!r})"
        ) from None
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise FunnelError(f"{file}, row {row}: holds binary data (a zero byte); expected a table as text")
    return text, chosen.removesuffix("-sig")


def _recognised(data: bytes, file: str) -> str:
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    head = data[:4096]
    zeros_even, zeros_odd = head[0::2].count(0), head[1::2].count(0)
    many, few = max(zeros_even, zeros_odd), min(zeros_even, zeros_odd)
    if many > 0.3 * len(head) / 2 and few < many / 5:
        return "utf-16-le" if zeros_odd > zeros_even else "utf-16-be"
    if sum(head.count(byte) for byte in (*range(9), *range(14, 27), *range(28, 32))) > len(head) / 100:
        raise FunnelError(f"{file}: holds binary data; expected a table as text, Parquet or Excel")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _without_mark(data[:SAMPLE])
    return "utf-8"


def _without_mark(data: bytes) -> str:
    """Return the code page whose common characters make up the high bytes."""
    pairs = HIGH.findall(data)
    shares = {
        "gb18030": sum(bool(GB_COMMON.fullmatch(pair)) for pair in pairs) / len(pairs),
        "big5hkscs": sum(bool(BIG5_COMMON.fullmatch(pair)) for pair in pairs) / len(pairs),
    }
    both_high = sum(pair[-1] >= 0x80 for pair in pairs if len(pair) == 2) / len(pairs)
    best = max(shares, key=lambda name: shares[name])
    if shares[best] > 0.8 and (both_high > 0.8 or (best == "big5hkscs" and both_high > 0.4)):
        return best
    return "cp1252" if not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
