"""Bytes to text: the encodings that exports come in are told apart by their common characters."""

import pytest

from funnelsim.errors import FunnelError
from funnelsim.files import to_text

SIMPLE = (
    "客户,阶段,日期,渠道\n甲公司,线索,2026-01-01,搜索\n乙公司,赢单,2026-01-02,展会\n丙公司,需求分析,,推荐\n"
)
TRADITIONAL = "客戶,階段,日期,管道\n甲公司,線索,2026-01-01,搜尋\n乙公司,贏單,,展覽\n丙公司,需求分析,,推薦\n"
WESTERN = "Name,Größe,Prénom,Coração\nMüller,groß,Élodie,São\nŒuvre,“quoted”,naïve,€ 12\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode(encoding: str) -> None:
    plain = "lead,stage\n" + SIMPLE if encoding.startswith("utf-16-") else SIMPLE
    assert to_text(plain.encode(encoding), "x")[0].removeprefix("\ufeff") == plain


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (SIMPLE, "gbk", "gb18030"),
        (TRADITIONAL, "big5", "big5hkscs"),
        (WESTERN, "cp1252", "cp1252"),
        ("plain\n", "ascii", "utf-8"),
    ],
)
def test_code_pages(text: str, encoding: str, name: str) -> None:
    assert to_text(text.encode(encoding), "x") == (text, name)


def test_a_stated_encoding_is_used_or_refused() -> None:
    assert to_text("é".encode("cp850"), "x", "cp850")[0] == "é"
    with pytest.raises(FunnelError, match=r"x.csv, row 2: not utf-8 text \(byte b'\\xff'\)"):
        to_text(b"a\n\xff", "x.csv", "utf-8")
    with pytest.raises(FunnelError, match="'utf-9' is no encoding"):
        to_text(b"a", "x.csv", "utf-9")


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 4, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", b"lead,stage\na,\0b\n"]
)
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(FunnelError, match="holds binary data"):
        to_text(data, "x.csv")
