"""The pages that live: in come a contract of numbers, out goes one file that needs no network.

Joined here are `engine.js` and `distribution.js` (numbers only), `view.js` and `charts.js` (what is seen),
`main.js` (which joins the two), `live.css` and `words.json` (every word, by language). `page.js` begins them
in a file of their own, `widget.js` among a notebook's cells. Begin with `main.js`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funnelsim.errors import check_word
from funnelsim.files import write_atomic
from funnelsim.show.page import digest_of, embedded, framed
from funnelsim.show.words import clean

if TYPE_CHECKING:
    from anywidget import AnyWidget

LANGUAGES = ("en", "zh")
RECKONING = ("distribution.js", "engine.js")
SEEN = ("charts.js", "view.js", "main.js")
MOVING = ("lives.js", "stage.js", "film.js", "theatre.js")

HEIGHT = 1060  # pixels of the moving leads in a notebook


@dataclass(frozen=True)
class Moving:
    """A page on which leads move as dots through a funnel: a notebook shows it, and `save` writes it.

    Args:
        contract: what `moving` of a run hands over.
    """

    contract: Mapping[str, Any] = field(repr=False)

    @property
    def html(self) -> str:
        """The whole page as text."""
        words = {"lang": "en", "title": "Moving leads"}
        return page_document(self.contract, words, MOVING, ("live.css", "lives.css"), self.contract["name"])

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, and return its path.

        Raises:
            FunnelError: it cannot be written.
        """
        write_atomic(Path(path), self.html)
        return Path(path)

    def __str__(self) -> str:
        return f"{self.contract['name']}: {self.contract['days']:g} days of moving leads."

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return framed(self.html, str(self), HEIGHT)


def live_document(contract: Mapping[str, Any], language: str = "en") -> str:
    """Return a whole page that reckons for itself; its policy lets only these very scripts run.

    Args:
        contract: version, page, engine and drags, as `funnelsim.forecasting.live` hands them over.
        language: "en" or "zh".

    Raises:
        FunnelError: an unknown language.
    """
    words = live_words(language)
    scripts = (*RECKONING, *SEEN, "page.js")
    return page_document(contract, words, scripts, ("live.css",), contract["page"]["name"])


def live_widget(contract: Mapping[str, Any], language: str = "en") -> AnyWidget:
    """Return the same page as a widget, which shares with Python where its sliders stand, as `at`.

    Args:
        contract, language: as in `live_document`.

    Raises:
        FunnelError: an unknown language.
    """
    from anywidget import AnyWidget
    from traitlets import Dict

    held = {"contract": contract, "words": live_words(language), "style": _style_within()}
    widget = AnyWidget(_esm=live_module())
    widget.add_traits(held=Dict(held).tag(sync=True), at=Dict().tag(sync=True))
    return widget


def live_module() -> str:
    """Return the page's scripts as one module, as a notebook loads it.

    What reckons stands in a function, whose own text the module hands to its worker.
    """
    reckoning, seen = ("".join(map(_part, names)) for names in (RECKONING, (*SEEN, "widget.js")))
    return f"const reckoning = () => {{\n{reckoning}return Engine;\n}};\nconst Engine = reckoning();\n{seen}"


def _style_within() -> str:
    """Return the style of a page that is as wide as what holds it, not as the window."""
    return re.sub(r"@media (screen and )?\(max-width", "@container (max-width", _part("live.css"))


def page_document(
    contract: Mapping[str, Any],
    words: Mapping[str, Any],
    scripts: Sequence[str],
    styles: Sequence[str],
    name: str,
) -> str:
    """Return a page of data, styles and scripts; its policy lets only these very scripts run.

    Args:
        contract: data handed to the scripts.
        words: what the scripts say; `lang` and `title` are the page's own.
        scripts, styles: files of this folder, in order.
        name: what the page is about.
    """
    data = embedded({"contract": contract, "words": words})
    parts = [_script(one) for one in scripts]
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; worker-src blob:; "
        f"script-src blob: {' '.join(map(digest_of, parts))}"
    )
    title = clean(f"{words['title']}: {name}")
    return f"""<!DOCTYPE html>
<html lang="{words["lang"]}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_escaped(title)}</title>
<style>
{"".join(map(_part, styles))}</style>
</head>
<body>
<main id="live"></main>
<script type="application/json" id="data">{data}</script>
{"".join(f'<script id="{one}">{text}</script>' for one, text in zip(scripts, parts, strict=True))}
</body>
</html>
"""


def live_words(language: str) -> dict[str, Any]:
    """Return the words of the page in one language; the file holds the same keys for each.

    Raises:
        FunnelError: an unknown language.
    """
    check_word("language", language, LANGUAGES)
    words: dict[str, Any] = json.loads(_part("words.json"))[language]
    return words


def why_sentence(reason: str, language: str) -> str:
    """Return in a sentence why a page stands still; nothing where there is no reason.

    >>> why_sentence("referrals", "en")
    'The page stands still: leads refer others, which its engine does not know.'
    """
    words = live_words(language)
    return str(words["why"]).format(reason=words["reasons"][reason]) if reason else ""


@lru_cache(maxsize=16)
def _part(name: str) -> str:
    return files("funnelsim.show.live").joinpath(name).read_text(encoding="utf-8")


def _script(name: str) -> str:
    # Inside <script> only this sequence could end the element too early.
    return _part(name).replace("</script", "<\\/script")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
