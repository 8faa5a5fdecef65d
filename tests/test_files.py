"""Files at the doors: safe YAML, one-sentence refusals, atomic writes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from funnelsim.errors import FunnelError
from funnelsim.files import read_yaml, validated, whole_file, write_atomic


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "plan.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(FunnelError) as caught:
        read_yaml(written(folder, text))
    message = str(caught.value)
    assert "plan.yaml" in message
    assert "\n" not in message
    return message


def test_plain_values_keep_their_meaning(tmp_path: Path) -> None:
    text = (
        "a: 1\nb: 1e6\nc: no\nd: 2026-07-01\ne: [.5, -2, true, null]\nf: 认知\ng: 1_000\nh: 12:30\n010: x\n"
    )
    assert read_yaml(written(tmp_path, text)) == {
        "a": 1,
        "b": 1e6,
        "c": "no",
        "d": "2026-07-01",
        "e": [0.5, -2, True, None],
        "f": "认知",
        "g": 1000,
        "h": "12:30",
        10: "x",
    }


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is given twice (first in line 1)"),
        ("a:\n  - {b: 1, b: 2}\n", "line 2: the key 'b' is given twice"),
        ("a:\n\tb: 1\n", "line 2: found character '\\t'"),
        ("a: [1, 2\nb: 3\n", "line 2"),
        ("a: &x 1\nb: *x\n", "line 2: the alias '*x' is not allowed"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: could not determine a constructor"),
        ("? [a, b]\n: 1\n", "line 1: a key must be a word or a number"),
        ("--- 1\n--- 2\n", "but found another document"),
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("a: 1e999\n", "line 1: the number 1e999 is too large"),
        ("a: " + "9" * 5000, "line 1: a number of 5000 digits"),
        ("[" * 5000, "line 1: lists or mappings nested more than 40 deep"),
        ("- " * 5000, "line 1: lists or mappings nested more than 40 deep"),
        ("- 1\n" * 60_000, "more than 50000 values"),
        (b"a: \xff\xfe\n", "line 1: not UTF-8 (byte 0xff)"),
        (b"a\0b", "binary data"),
        ("a: 1\n".encode("utf-16"), "binary data"),
        ("a: \x07", "not YAML"),
        (b"#" * 5_000_001, "5,000,001 bytes"),
        ("a: !!int x\n", "not YAML"),
        ("a: !!timestamp 2026-99-99\n", "plan.yaml"),
    ],
)
def test_refused_with_one_sentence(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_billion_laughs_and_long_lines_are_quick(tmp_path: Path) -> None:
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    start = time.perf_counter()
    refusal(tmp_path, laughs)
    refusal(tmp_path, "{a: " * 200_000)
    refusal(tmp_path, "x" * 2_000_000 + ": [")
    assert time.perf_counter() - start < 20


def test_missing_file_folder_and_symlink_loop(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(FunnelError, match="not a file"):
        read_yaml(tmp_path)
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    with pytest.raises(FunnelError, match=r"loop\.yaml: cannot be read"):
        read_yaml(loop)
    with pytest.raises(FunnelError, match="cannot be read"):
        read_yaml("a\0b")


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=80), st.text("[]{}:,-?!&*#|>@`'\"%~ab1.\n\t <=", max_size=60)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, junk: bytes | str) -> None:
    path = written(tmp_path, junk)
    sentence = ""
    try:
        assert read_yaml(path) is not None
    except FunnelError as error:
        sentence = str(error)
    assert "\n" not in sentence


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Inner:
    share: Annotated[float, Field(gt=0)]
    since: str = Field(default="", alias="from")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    parts: dict[str, Inner] = {}
    rows: list[Inner] | None = None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"nam": "x"}, "p.yaml: unknown key 'nam'; did you mean 'name'?"),
        ({}, "p.yaml: the key 'name' is missing"),
        ({"name": "x", "part": {}}, "p.yaml: unknown key 'part'; did you mean 'parts'?"),
        ({"name": 3}, "p.yaml: name: 3 given, expected a valid string"),
        (
            {"name": "x", "parts": {"a": {"share": -1}}},
            "p.yaml: parts.a.share: -1 given, expected greater than 0",
        ),
        (
            {"name": "x", "rows": [{"share": 1, "form": "y"}]},
            "rows[0]: unknown key 'form'; did you mean 'from'?",
        ),
        ({"name": "x", "parts": {"a": {"sharr": 1}}}, "parts.a"),
        ([1], "p.yaml: [1] given, expected a valid mapping"),
    ],
)
def test_validated_says_where_and_what(data: object, expected: str) -> None:
    with pytest.raises(FunnelError) as caught:
        validated(Outer, data, "p.yaml")
    assert expected in str(caught.value)


def test_validated_says_where_a_part_stands() -> None:
    with pytest.raises(FunnelError, match=r"^p\.yaml: rows\[2\]\.share: 'a' given, expected a valid number"):
        validated(Inner, {"share": "a"}, "p.yaml", under=["rows", 2])


def test_validated_returns_the_shape() -> None:
    assert validated(Outer, {"name": "x", "rows": [{"share": 1, "from": "y"}]}, "p").rows == [
        Inner(**{"share": 1, "from": "y"})
    ]


def stopped_half_way(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stopped")


def test_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    write_atomic(path, "é")
    assert path.read_bytes() == "é".encode()
    with pytest.raises(RuntimeError):
        stopped_half_way(path)
    assert path.read_text("utf-8") == "é"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


def test_write_refusals(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"there is no folder '.*none'"):
        write_atomic(tmp_path / "none" / "x", "")
    with pytest.raises(FunnelError, match="is a folder"):
        write_atomic(tmp_path, "")
    with pytest.raises(FunnelError, match="cannot be written: File name too long"):
        write_atomic(tmp_path / ("x" * 300), "")
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_to_not_replaced() -> None:
    write_atomic(os.devnull, "gone")
    assert not Path(os.devnull).is_file()
