"""Charts that show everywhere without a network: Vega compiled here, and a PNG where no script runs."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import altair as alt
import vl_convert

VEGA = "application/vnd.vega.v5+json"
VEGA_SCHEMA = "https://vega.github.io/schema/vega/v5.json"
NAME = "funnelsim"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def vegalite_version() -> str:
    """Return the Vega-Lite version that Altair writes, as vl-convert names it.

    >>> vegalite_version().count(".")
    1
    """
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def compiled(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite specification compiled to Vega, so that one version decides how it looks.

    Args:
        spec: Vega-Lite, as `chart.to_dict()` gives it.

    >>> vega = compiled(alt.Chart(alt.Data(values=[{"a": 1}])).mark_point().to_dict())
    >>> vega["$schema"] == VEGA_SCHEMA
    True
    """
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(dict(spec), vl_version=vegalite_version())
    # Notebook front ends know the MIME type of Vega 5 only; their Vega reads these specifications.
    return vega | {"$schema": VEGA_SCHEMA}


def png(spec: Mapping[str, Any], scale: float = 1.0) -> bytes:
    """Return a picture of a Vega-Lite specification; nothing is fetched from anywhere.

    >>> png(alt.Chart(alt.Data(values=[{"a": 1}])).mark_point().to_dict())[1:4]
    b'PNG'
    """
    picture = vl_convert.vegalite_to_png(
        dict(spec), vl_version=vegalite_version(), scale=scale, allowed_base_urls=[]
    )
    return squeezed(picture)


def squeezed(picture: bytes) -> bytes:
    """Return the same PNG in a quarter of the bytes: vl-convert compresses fast rather than well."""
    chunks, place = [], len(PNG_SIGNATURE)
    while place < len(picture):
        (size,) = struct.unpack_from(">I", picture, place)
        chunks.append((picture[place + 4 : place + 8], picture[place + 8 : place + 8 + size]))
        place += 12 + size
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    before = [chunk for chunk in chunks if chunk[0] not in (b"IDAT", b"IEND")]
    return PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*before, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    )


def svg(spec: Mapping[str, Any]) -> str:
    """Return a drawing of a Vega-Lite specification: sharp at any size, and the same on every call.

    >>> svg(alt.Chart(alt.Data(values=[{"a": 1}])).mark_point().to_dict())[:4]
    '<svg'
    """
    drawing: str = vl_convert.vegalite_to_svg(dict(spec), vl_version=vegalite_version(), allowed_base_urls=[])
    # Vega numbers what it clips through the whole life of the process.
    numbers = {name: f"clip-{i}" for i, name in enumerate(dict.fromkeys(re.findall(r'id="(\w+)"', drawing)))}
    return re.sub(
        r'(?<=id=")\w+(?=")|(?<=url\(#)\w+(?=\))', lambda name: numbers.get(name[0], name[0]), drawing
    )


def heading(spec: Mapping[str, Any]) -> str:
    """Return the title of a specification as one line of text, or "chart" when it has none.

    >>> heading({"title": {"text": ["We will", "win"]}})
    'We will win'
    """
    title = spec.get("title", "")
    text = title.get("text", "") if isinstance(title, Mapping) else title
    line = text if isinstance(text, str) else " ".join(map(str, text))
    return line or "chart"


def render(spec: dict[str, Any], **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a notebook shows and keeps of a chart: Vega, a PNG, and the title as plain text.

    The PNG is needed: without it JupyterLab adds one on saving, and Voila stops with an error.
    """
    picture = base64.b64encode(png(spec)).decode("ascii")
    bundle = {VEGA: compiled(spec), "image/png": picture, "text/plain": f"<chart: {heading(spec)}>"}
    return bundle, {VEGA: {"embed_options": {"actions": False}}}


def enable() -> None:
    """Make every Altair chart of this process show offline, and alike in JupyterLab, Voila and HTML."""
    alt.renderers.register(NAME, render)
    alt.renderers.enable(NAME)
