"""How our charts look, and the few pieces that all of them share."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, TypeVar, cast

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError, missing
from funnelsim.show.words import name, titled, wrap

Chart = TypeVar("Chart", alt.LayerChart, alt.FacetChart, alt.VConcatChart)
WIDTH = 640
TITLE_COLUMNS = 78
SUBTITLE_COLUMNS = 124
INK, QUIET, GRID, PAPER = "#1a1a1a", "#5c5c5c", "#e6e6e6", "#ffffff"
HAPPENED = "#4d4d4d"
ACCENT = "#b3410e"
# Lightness falls from left to right, so that the order survives a grey printer.
BLUES = ("#cfe1f2", "#8fbbdc", "#3f83b8", "#0b3c68")
# Okabe and Ito's colour-blind safe colours, ordered so that neighbours differ in lightness too.
CATEGORIES = ("#0072b2", "#e69f00", "#1a1a1a", "#cc79a7", "#d55e00", "#56b4e9", "#009e73")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 1], [12, 4], [1, 3])
SHAPES = ("circle", "diamond", "square", "cross", "triangle-up")
# What is left where two equal sums are subtracted: another machine leaves another rest, and no eye sees it.
NOISE = 1e-10
FONT = "Helvetica Neue, Arial, Noto Sans, Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif"
DAY_TICKS = [0, 1, 3, 7, 14, 30, 60, 120, 240, 480, 960]
# Thousands and millions as the tables write them; d3's own "G" for billions is read by nobody.
AMOUNT_LABELS = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1e9 ? format(datum.value / 1e9, ',.4~g') + ' bn'"
    " : abs(datum.value) >= 1e6 ? format(datum.value / 1e6, ',.4~g') + ' M'"
    " : abs(datum.value) >= 1e3 ? format(datum.value / 1e3, ',.4~g') + ' k' : format(datum.value, ',.3~g')"
)
VEGA = "application/vnd.vega.v5+json"
VEGA_LITE = "application/vnd.vegalite.v5+json"
VEGA_SCHEMA = "https://vega.github.io/schema/vega/v5.json"
NAME = "funnelsim"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def house_theme() -> alt.theme.ThemeConfig:
    """Return the settings that every chart starts from."""
    words = {"labelFont": FONT, "titleFont": FONT, "labelFontSize": 12, "titleFontSize": 12}
    ink = {"labelColor": INK, "titleColor": QUIET, "titleFontWeight": "normal", "labelLimit": 260}
    config: dict[str, Any] = {
        "background": PAPER,
        "padding": 12,
        "font": FONT,
        "view": {"stroke": None, "continuousWidth": WIDTH, "continuousHeight": 300},
        "title": {"anchor": "start", "frame": "bounds", "fontSize": 17, "fontWeight": 600, "color": INK}
        | {
            "subtitleFontSize": 12.5,
            "subtitleColor": QUIET,
            "subtitlePadding": 6,
            "offset": 16,
            "lineHeight": 21,
        }
        | {"subtitleLineHeight": 17, "font": FONT, "subtitleFont": FONT, "limit": 0},
        "axis": words
        | ink
        | {"domainColor": "#9a9a9a", "tickColor": "#9a9a9a", "gridColor": GRID, "titlePadding": 8},
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False, "titleAnchor": "end", "labelPadding": 7},
        "legend": words
        | ink
        | {"orient": "top", "symbolSize": 130, "titleOrient": "left", "offset": 6, "columnPadding": 16},
        "header": words
        | ink
        | {"labelFontWeight": 600, "labelAnchor": "start", "title": None, "labelColor": INK},
    }
    return {"config": config}  # type: ignore[typeddict-item]


def use_theme() -> None:
    """Make every Altair chart of this process start from the house theme."""
    alt.theme.register("funnelsim", enable=True)(house_theme)


def headed(chart: Chart, finding: str, how: str) -> Chart:
    """Return the chart with its finding as title and how to read it as subtitle.

    Args:
        chart: any Altair chart.
        finding: what the numbers say, one sentence; also the text that screen readers speak.
        how: what the marks mean.
    """
    lines, below = wrap(finding, TITLE_COLUMNS), wrap(how, SUBTITLE_COLUMNS)
    return chart.properties(
        title=alt.TitleParams(text=lines, subtitle=below), description=f"{finding}. {how}"
    )


def layered(layers: Iterable[Any], width: float, height: float) -> alt.LayerChart:
    """Return marks drawn over each other, the first at the bottom, in a chart of so many pixels."""
    return cast(alt.LayerChart, alt.layer(*layers)).properties(width=int(width), height=int(height))


def need(frame: pd.DataFrame, columns: Iterable[str], chart: str) -> None:
    """Refuse a frame that lacks a column or has no row.

    Raises:
        FunnelError: naming the chart and what is missing.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise FunnelError(
            f"chart '{chart}' needs column '{missing[0]}'; its frame has {', '.join(map(str, frame.columns))}"
        )
    if frame.empty:
        raise FunnelError(f"chart '{chart}' was given no rows")


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with six significant digits and short clean texts, so that a chart repeats exactly.

    >>> rounded(pd.DataFrame({"a": [1234567.891, 0.1 + 0.2], "b": ["x", "y" * 99]})).iloc[:, 0].tolist()
    [1234570.0, 0.3]
    >>> rounded(pd.DataFrame({"a": [57831.84, 0.1 + 0.2 - 0.3]})).iloc[:, 0].tolist()
    [57831.8, 0.0]
    """
    new: dict[Any, list[Any]] = {}
    for column in frame.columns:
        series = frame[column]
        if pd.api.types.is_float_dtype(series):
            least = NOISE * float(series[np.isfinite(series)].abs().max())
            new[column] = [six(value, least) if np.isfinite(value) else None for value in series]
        elif pd.api.types.is_string_dtype(series) or series.dtype == object:
            new[column] = [name(value) for value in series]
        else:
            new[column] = series.to_list()
    return pd.DataFrame(new)


def six(value: float, least: float = 0.0) -> float:
    """Return a number with six significant digits, and zero where it is smaller than `least`.

    >>> six(13624698.8), six(-3.7e-10, 1e-5)
    (13624700.0, 0.0)
    """
    return float(f"{value:.6g}") if abs(value) > least else 0.0


def in_order(values: Iterable[object]) -> list[str]:
    """Return each name once, in the order in which it first comes.

    >>> in_order(["Offer", "Lead", "Offer"])
    ['Offer', 'Lead']
    """
    return list(dict.fromkeys(name(value) for value in values))


def amount_axis(title: str, **more: Any) -> alt.Axis:
    """Return an axis that writes 500 k and 1.5 M."""
    return alt.Axis(title=title, labelExpr=AMOUNT_LABELS, tickCount=6, **more)


def share_axis(title: str, **more: Any) -> alt.Axis:
    """Return an axis of whole percents for shares between 0 and 1."""
    return alt.Axis(title=title, format=".0%", tickCount=5, **more)


def measured(unit: str) -> str:
    """Return an axis title: revenue with its currency, where one is stated, or a count.

    >>> measured("EUR"), measured(""), measured("wins")
    ('Revenue (EUR)', 'Revenue', 'Number of wins')
    """
    return titled("Revenue", unit) if not unit or unit.isupper() else f"Number of {unit}"


def tips(fields: Iterable[str], form: str = ",.4~r") -> list[alt.Tooltip]:
    """Return tooltips for number fields."""
    return [alt.Tooltip(f"{field}:Q", format=form) for field in fields]


def period_axis(labels: Sequence[str]) -> alt.Axis:
    """Return an axis of period names, slanted when they would not fit side by side."""
    crowded = len(labels) * (max(map(len, labels), default=0) + 2) > WIDTH / 7
    return alt.Axis(title=None, labelAngle=-45 if crowded else 0, labelOverlap=True, ticks=False)


def bar_width(count: int, share: float, widest: int = 96) -> int:
    """Return the width in pixels of each of `count` bars that fill a share of the chart, none too fat.

    >>> bar_width(8, 0.75), bar_width(1, 0.75)
    (60, 96)
    """
    return int(min(share * WIDTH / max(count, 1), share * widest / 0.75))


def day_scale() -> alt.Scale:
    """Return a scale on which hours, weeks and a year can all be seen, and zero exists."""
    return alt.Scale(type="symlog", constant=2, nice=False)


def day_axis(title: str, furthest: float, **more: Any) -> alt.Axis:
    """Return an axis for `day_scale` with ticks that are calendar words: a day, a week, a month."""
    ticks = [tick for tick in DAY_TICKS if tick <= max(1.0, furthest)]
    return alt.Axis(title=title, values=ticks, format=",d", **more)


def rows(field: str, order: Sequence[str], title: str | None = None) -> alt.Y:
    """Return a channel that gives every name a row of its own, in a fixed order."""
    axis = alt.Axis(title=title, ticks=False, domain=False, titleAngle=0, titleAlign="left", titleY=-10)
    return alt.Y(f"{field}:N", sort=list(order), axis=axis)


def shaped(field: str, names: Sequence[str]) -> alt.Shape:
    """Return a shape channel, so that marks differ without colour too."""
    shapes = [SHAPES[i % len(SHAPES)] for i in range(len(names))]
    return alt.Shape(f"{field}:N", title=None, scale=alt.Scale(domain=list(names), range=shapes))


def coloured(field: str, names: Sequence[str], colours: Sequence[str], title: str | None = None) -> alt.Color:
    """Return a colour channel with a fixed colour for every name, in a fixed order."""
    scale = alt.Scale(domain=list(names), range=[colours[i % len(colours)] for i in range(len(names))])
    return alt.Color(f"{field}:N", title=title, scale=scale, sort=list(names))


def dashed(field: str, names: Sequence[str], title: str | None = None) -> alt.StrokeDash:
    """Return a dash channel, so that lines differ without colour too."""
    scale = alt.Scale(domain=list(names), range=[list(DASHES[i % len(DASHES)]) for i in range(len(names))])
    return alt.StrokeDash(f"{field}:N", title=title, scale=scale, sort=list(names))


def vegalite_version() -> str:
    """Return the Vega-Lite version that Altair writes, as vl-convert names it.

    >>> vegalite_version().count(".")
    1
    """
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def converter() -> Any:
    """Return the library that compiles and draws charts outside a browser.

    Raises:
        FunnelError: it is not installed, as in a Python that runs in a browser.
    """
    try:
        import vl_convert
    except ModuleNotFoundError:
        raise missing("vl-convert-python", "a page or a picture of a chart") from None
    return vl_convert


def compiled(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite specification compiled to Vega, so that one version decides how it looks.

    Args:
        spec: Vega-Lite, as `chart.to_dict()` gives it.

    >>> vega = compiled(alt.Chart(alt.Data(values=[{"a": 1}])).mark_point().to_dict())
    >>> vega["$schema"] == VEGA_SCHEMA
    True
    """
    vega: dict[str, Any] = converter().vegalite_to_vega(dict(spec), vl_version=vegalite_version())
    # Notebook front ends know the MIME type of Vega 5 only; their Vega reads these specifications.
    return vega | {"$schema": VEGA_SCHEMA}


def png(spec: Mapping[str, Any], scale: float = 1.0) -> bytes:
    """Return a picture of a Vega-Lite specification; nothing is fetched from anywhere.

    >>> png(alt.Chart(alt.Data(values=[{"a": 1}])).mark_point().to_dict())[1:4]
    b'PNG'
    """
    picture = converter().vegalite_to_png(
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
    drawing: str = converter().vegalite_to_svg(
        dict(spec), vl_version=vegalite_version(), allowed_base_urls=[]
    )
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

    The PNG is needed: without it JupyterLab adds one on saving, and Voila stops with an error. Where nothing
    can draw one, the browser compiles the chart by itself.
    """
    if find_spec("vl_convert") is None:
        return {VEGA_LITE: spec, "text/plain": f"<chart: {heading(spec)}>"}, {}
    picture = base64.b64encode(png(spec)).decode("ascii")
    bundle = {VEGA: compiled(spec), "image/png": picture, "text/plain": f"<chart: {heading(spec)}>"}
    return bundle, {VEGA: {"embed_options": {"actions": False}}}


def enable() -> None:
    """Make every Altair chart of this process show offline, and alike in JupyterLab, Voila and HTML."""
    alt.renderers.register(NAME, render)
    alt.renderers.enable(NAME)
