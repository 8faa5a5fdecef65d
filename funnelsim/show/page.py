"""One self-contained page: headline, charts that live, tables that read well, and how to read them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from funnelsim.errors import FunnelError
from funnelsim.files import write_atomic
from funnelsim.show import words
from funnelsim.show.words import cell, kinds_of, label

MOST_ROWS = 2000  # of a table on a page: more make a phone slow, and nobody reads them
SEARCHABLE = 20  # rows from which a table has a search field
MOST_ABREAST = 4  # columns that a phone shows beside each other; rows of more become cards there
MANY = 4  # paragraphs from which a wide part sets them in two columns
LONG = 40  # letters from which a cell of a card has a line of its own
BRIEF = 24  # letters up to which paper keeps a cell on one line, so that long ones get what room there is
WORDS = ("text", "date", "flag")
NUMERIC, SCREEN = ' class="n"', ' class="screen"'
CODES = {"f8": "<f8", "f4": "<f4", "u2": "<u2"}


HEIGHT = 1500  # pixels of a page within another, or within a notebook
DIGEST = re.compile(r"'sha256-[A-Za-z0-9+/=]+'")


@dataclass(frozen=True)
class Section:
    """A part of the page: a heading, then text, chart and table, each if given.

    Args:
        heading: what this part says; by default what its chart finds, which then stands nowhere else.
        text: paragraphs, separated by an empty line.
        chart: an Altair chart, or anything whose `to_dict()` gives Vega-Lite.
        table: a frame; its index is not shown.
        caption: what to look at, below the chart and the table.
        kinds: column -> one of `words.KINDS`, where the guess is wrong.
        question: small words above the heading, where the heading answers them.
        wide: whether it takes the whole width of a desk's screen; others stand two beside each other.
        paper: rows of the table that are printed; none where the chart tells the same, all by default.
        plain: whether paper has its words alone.
        screen: whether it is left out where the page is printed, which says so.
        frame: a whole page of its own, shown within, and never printed.
    """

    heading: str = ""
    text: str = ""
    chart: Any = None
    table: pd.DataFrame | None = None
    caption: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    question: str = ""
    wide: bool = False
    paper: int | None = None
    plain: bool = False
    screen: bool = False
    frame: str = ""

    @property
    def said(self) -> str:
        """Its heading, which may be its chart's."""
        return self.heading or ("" if self.chart is None else _found(self.chart))

    @property
    def link(self) -> str:
        """What the menu calls it."""
        return self.question or self.said


@dataclass(frozen=True)
class Fact:
    """A number worth a box of its own: what it is, its value as text, and a note in small print."""

    label: str
    value: str
    note: str = ""


def write_report(
    path: str | Path,
    title: str,
    sections: Sequence[Section],
    *,
    headline: str = "",
    facts: Sequence[Fact] = (),
    how_to_read: Sequence[str] = (),
    limits: Sequence[str] = (),
    footer: str = "",
    identity: Sequence[str] = (),
    second: str = "",
    lede: str = "",
) -> Path:
    """Write one HTML page that needs no network, and nothing else beside it.

    Every text is shown as it is, never run: it is escaped, and the page forbids any script but its own.

    Args:
        path: where to; its folder must exist.
        title: of the page and its window.
        sections: parts in reading order.
        headline: the finding in one sentence, largest on the page.
        facts: the few numbers to remember.
        how_to_read: sentences that explain the words used.
        limits: sentences on what the data or the method cannot tell.
        footer: where the numbers come from.
        identity: whose page it is, until when all is known, currency, periods; the first in bold. With it the
            headline is the page's title.
        second: below the headline, in lighter words.
        lede: a sentence or two below both.

    Returns:
        The path.

    Raises:
        FunnelError: the file cannot be written.
    """
    if Path(path).is_dir():
        raise FunnelError(f"{path}: is a folder; name the page to write, such as forecast.html")
    drawn = any(section.chart is not None for section in sections)
    parts = [_section(section, number) for number, section in enumerate(sections, start=1)]
    parts += [_list("How to read this", how_to_read), _list("What this cannot tell", limits)]
    script = page_script() if drawn or any(section.table is not None for section in sections) else ""
    above = _identified(identity, headline, second, lede) if identity else _titled(title, headline)
    below = "".join((f"<p>{_text(footer)}</p>" if footer else "", _left_out(sections)))
    within = [section.frame for section in sections if section.frame]
    page = _page(title, _head(above, facts, sections), "\n".join(parts), below, script, within)
    write_atomic(path, page)
    return Path(path)


@lru_cache(maxsize=1)
def page_script() -> str:
    """Return the page's one script: Vega, Vega-Lite, the embedder, and ours."""
    return bundled(_file("page.js"))


@lru_cache(maxsize=4)
def bundled(ours: str) -> str:
    """Return a script that draws charts with all that it needs, in about 0.9 MB, fit to stand in a page.

    Args:
        ours: JavaScript that calls `vegaEmbed`.
    """
    from funnelsim.show.charts.theme import converter, vegalite_version

    bundle: str = converter().javascript_bundle(_file("folded.js") + ours, vl_version=vegalite_version())
    # Inside <script> only this sequence could end the element too early.
    return bundle.replace("</script", "<\\/script")


def _file(name: str) -> str:
    """Return one of the files that pages are made of."""
    return files("funnelsim.show").joinpath(name).read_text(encoding="utf-8")


def digest_of(script: str) -> str:
    """Return what a page's policy calls a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"


def digests_in(page: str) -> list[str]:
    """Return the digests of the scripts that a whole page lets run, by the policy in its head."""
    return sorted(set(DIGEST.findall(page.split("</head>", 1)[0])))


def policy_of(script: str, within: Sequence[str] = ()) -> str:
    """Return the policy of a page: nothing is fetched, and only this script runs.

    Args:
        script: the page's own.
        within: digests of the scripts of pages that it holds, which obey its policy as well as their own.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    if not within:
        return f"{policy}script-src {digest_of(script)}"
    return f"{policy}worker-src blob:; script-src blob: {' '.join([digest_of(script), *within])}"


def _page(title: str, head: str, body: str, footer: str, script: str, within: Sequence[str]) -> str:
    """Return the whole document; its policy lets only this very script run, and those of the pages within."""
    style, more = _file("page.css"), [one for page in within for one in digests_in(page)]
    policy = policy_of(script, more)
    last = f"<footer>{footer}</footer>" if footer else ""
    run = f"<script>{script}</script>" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>
{style}</style>
</head>
<body>
{head}
<main>
{body}
</main>
{last}
{run}
</body>
</html>
"""


def _titled(title: str, headline: str) -> str:
    """Return a small title, and the headline sentence below it."""
    said = f'<p class="headline">{_text(headline)}</p>' if headline else ""
    return f'<h1 class="plain">{_text(title)}</h1>\n{said}'


def _identified(identity: Sequence[str], headline: str, second: str, lede: str) -> str:
    """Return whose page it is, and the headline as the page's title."""
    first, *rest = (_text(part) for part in identity)
    who = "".join(f"<span>{part}</span>" for part in (f"<strong>{first}</strong>", *rest))
    below = f"<span>{_text(second)}</span>" if second else ""
    said = f'<p class="lede">{_text(lede)}</p>' if lede else ""
    return f'<p class="identity">{who}</p>\n<h1>{_text(headline)}{below}</h1>\n{said}'


def _head(above: str, facts: Sequence[Fact], sections: Sequence[Section]) -> str:
    """Return what stands above, the few numbers to remember and the links to the parts."""
    boxes = "".join(
        f"<div><dt>{_text(fact.label)}</dt><dd>{_text(fact.value)}"
        + (f"<small>{_text(fact.note)}</small>" if fact.note else "")
        + "</dd></div>"
        for fact in facts
    )
    links = "".join(
        f'<a href="#part-{number}">{_text(section.link)}</a>'
        for number, section in enumerate(sections, start=1)
    )
    shown = f'<dl class="facts">{boxes}</dl>' if facts else ""
    menu = f"<nav>{links}</nav>" if len(sections) > 2 else ""
    return f"<header>\n{above}\n{shown}\n{menu}\n</header>"


def _section(section: Section, number: int) -> str:
    paragraphs = [f"<p>{_text(part)}</p>" for part in section.text.split("\n\n") if part.strip()]
    both = section.chart is not None and section.table is not None and section.wide
    kinds = [*["wide"] * section.wide, *["both"] * both, *["screen"] * section.screen]
    shape = f' class="{" ".join(kinds)}"' if kinds else ""
    asked = [f'<p class="question">{_text(section.question)}</p>'] if section.question else []
    parts = [f'<section id="part-{number}"{shape}>', *asked, f"<h2>{_text(section.said)}</h2>", *paragraphs]
    if section.wide and len(paragraphs) >= MANY:
        parts[-len(paragraphs) :] = ['<div class="many">', *paragraphs, "</div>"]
    if section.chart is not None:
        below = "" if section.table is not None else section.caption
        parts.append(_chart(section.chart, f"chart-{number}", below, not section.heading, section.plain))
    if section.table is not None:
        parts.append(f'<div class="beside">{_table(section.table, f"table-{number}", section)}</div>')
    elif section.chart is None and section.caption:
        parts.append(f"<p>{_text(section.caption)}</p>")
    if section.frame:
        parts.append(framed(section.frame, section.said))
    return "\n".join([*parts, "</section>"])


def framed(page: str, title: str, height: int = HEIGHT) -> str:
    """Return a whole page as another, or a notebook, can hold it: in a frame of its own."""
    return (
        f'<iframe srcdoc="{html.escape(page, quote=True)}" title="{html.escape(title, quote=True)}" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )


def _left_out(sections: Sequence[Section]) -> str:
    """Return what paper says of the parts, or charts, that only a screen shows."""
    names = "; ".join(section.link for section in sections if section.screen or section.plain)
    return f'<p class="paper">On the screen also: {_text(names)}</p>' if names else ""


def _found(chart: Any) -> str:
    """Return what a chart finds: its title."""
    from funnelsim.show.charts.theme import heading

    return heading(chart.to_dict())


def _chart(chart: Any, name: str, caption: str, bare: bool, plain: bool) -> str:
    """Return a drawing, which the script replaces by the living chart that stands beside it as data.

    Args:
        bare: whether its title heads the section, so that how to read it goes below the drawing.
        plain: whether it is left out on paper.
    """
    from funnelsim.show.charts.theme import heading, svg

    spec = chart.to_dict()
    said = heading(spec)
    if bare:
        title = spec.pop("title", {})
        lines = title.get("subtitle", []) if isinstance(title, Mapping) else []
        caption = " ".join([*([lines] if isinstance(lines, str) else lines), caption]).strip()
    drawing = base64.b64encode(svg(spec).encode("utf-8")).decode("ascii")
    below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    return (
        f'<figure{SCREEN if plain else ""}><div class="chart" id="{name}">'
        f'<img alt="{_text(said)}" src="data:image/svg+xml;base64,{drawing}"></div>'
        f"{below}</figure>\n"
        f'<script type="application/json" data-chart="{name}">{embedded(spec)}</script>'
    )


def packed(values: ArrayLike, code: str) -> dict[str, str]:
    """Return numbers as a page can hold them: type, and base64 of their bytes, little-endian.

    >>> packed([1.0, 2.0], "f4")
    {'type': 'f4', 'base64': 'AACAPwAAAEA='}
    """
    held = np.ascontiguousarray(np.asarray(values), dtype=CODES[code])
    return {"type": code, "base64": base64.b64encode(held.tobytes()).decode("ascii")}


def embedded(data: object) -> str:
    """Return JSON that can stand inside a script element, whatever texts it holds.

    >>> embedded({"stage": "</script><b>"})
    '{"stage":"\\\\u003c/script\\\\u003e\\\\u003cb\\\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    for sign, escape in escapes.items():
        text = text.replace(sign, escape)
    return text


def _table(frame: pd.DataFrame, name: str, section: Section) -> str:
    """Return a table whose heads stay in sight and sort it; beyond 2,000 rows it says what it leaves out."""
    kinds = kinds_of(frame, section.kinds)
    columns = [str(column) for column in frame.columns]
    heads = "".join(
        f'<th scope="col"{"" if kinds[column] in WORDS else NUMERIC}>'
        f'<button type="button">{_text(label(column))}</button></th>'
        for column in columns
    )
    cards, shown = len(columns) > MOST_ABREAST, min(len(frame), MOST_ROWS)
    most = 0 if section.plain else shown if section.paper is None else section.paper
    rows = frame.head(MOST_ROWS).itertuples(index=False, name=None)
    body = "\n".join(_row(row, columns, kinds, cards, number >= most) for number, row in enumerate(rows))
    shapes = [*["cards"] * cards, *["screen"] * (most == 0)]
    shape = f' class="{" ".join(shapes)}"' if shapes else ""
    more = f"The first {MOST_ROWS:,} of {len(frame):,} rows are shown. " if len(frame) > MOST_ROWS else ""
    printed = (
        f'<span class="paper">Printed: {most} of {len(frame):,} rows. </span>' if 0 < most < shown else ""
    )
    below = f'<p class="caption">{printed}{_text(more + section.caption)}</p>'
    asked = "Show rows that contain"
    search = (
        f'<input class="search" type="search" data-table="{name}" placeholder="{asked}" aria-label="{asked}">'
    )
    return (
        f"{search if len(frame) > SEARCHABLE else ''}\n"
        f'<div class="scroll" tabindex="0"><table id="{name}"{shape}>'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n"
        f"{below if printed or more or section.caption else ''}"
    )


def _row(
    values: Sequence[object], columns: Sequence[str], kinds: Mapping[str, str], cards: bool, screen: bool
) -> str:
    """Return a row of a table; one for the screen only is not printed."""
    cells = []
    for column, value in zip(columns, values, strict=True):
        kind, text = kinds[column], cell(value, kinds[column])
        named = f' data-l="{_text(label(column))}"' if cards else ""
        if kind in WORDS:
            size = ' class="long"' if len(text) > LONG else ' class="brief"' * (len(text) <= BRIEF)
            cells.append(f"<td{size}{named}>{_text(text)}</td>")
        else:
            plain = text == words.DASH or kind == "figure"
            known = "" if plain else f' data-v="{float(str(value)):.10g}"'
            cells.append(f"<td{NUMERIC}{named}{known}>{_text(text)}</td>")
    shown = SCREEN if screen else ""
    return f"<tr{shown}>{''.join(cells)}</tr>"


def _list(heading: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f'<section class="words">\n<h2>{_text(heading)}</h2>\n<ul>{items}</ul>\n</section>'


def _text(text: object) -> str:
    """Return text that a browser shows and never interprets, without control characters."""
    return html.escape(words.clean(text), quote=True)
