"""XES, the XML format of process mining (IEEE 1849), to a table with one row per event."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

import pandas as pd

from funnelsim.errors import FunnelError

KINDS = frozenset(("string", "date", "int", "float", "boolean", "id"))


def xes_frame(data: bytes, name: str) -> pd.DataFrame:
    """Return one row per event: its attributes, and those of its trace under "case:" and their name.

    Args:
        data: the file; a document type is refused, as it could make a small file huge.
        name: the file's name, for sentences.

    Raises:
        FunnelError: not well-formed, or without an event.
    """
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", data[:100_000], re.IGNORECASE):
        raise FunnelError(f"{name}: declares a document type, which an event log does not need")
    rows: list[dict[str, str]] = []
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(data), events=("end",)):
            if _tag(element) == "trace":
                rows += _trace(element)
                element.clear()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FunnelError(f"{name}: not well-formed XML: {error}") from None
    if not rows:
        raise FunnelError(f"{name}: an event log without an event")
    return pd.DataFrame(rows, index=range(1, len(rows) + 1), dtype="str").fillna("")


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _values(element: ElementTree.Element, prefix: str = "") -> dict[str, str]:
    return {
        prefix + child.attrib["key"]: child.attrib.get("value", "")
        for child in element
        if _tag(child) in KINDS and "key" in child.attrib
    }


def _trace(element: ElementTree.Element) -> list[dict[str, str]]:
    case = _values(element, "case:")
    return [case | _values(child) for child in element if _tag(child) == "event"]
