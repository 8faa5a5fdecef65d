"""The page that keeps answering as one file: numbers, engine, view and words, joined; no network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from funnelsim.errors import check_word
from funnelsim.show.page import embedded
from funnelsim.show.words import clean

LANGUAGES = ("en", "zh")
SCRIPTS = ("distribution.js", "engine.js", "charts.js", "view.js", "main.js")


def live_document(contract: Mapping[str, Any], language: str = "en") -> str:
    """Return a whole page that reckons for itself; its policy lets only these very scripts run.

    Args:
        contract: version, page, engine and drags, as `funnelsim.forecasting.live` hands them over.
        language: "en" or "zh".

    Raises:
        FunnelError: an unknown language.
    """
    words = live_words(language)
    data = embedded({"contract": contract, "words": words})
    scripts = [_script(name) for name in SCRIPTS]
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; worker-src blob:; "
        f"script-src blob: {' '.join(map(_digest, scripts))}"
    )
    title = clean(f"{words['title']}: {contract['page']['name']}")
    return f"""<!DOCTYPE html>
<html lang="{words["lang"]}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_escaped(title)}</title>
<style>
{_part("live.css")}</style>
</head>
<body>
<main id="live"></main>
<script type="application/json" id="data">{data}</script>
{"".join(f'<script id="{name}">{text}</script>' for name, text in zip(SCRIPTS, scripts, strict=True))}
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


@lru_cache(maxsize=8)
def _part(name: str) -> str:
    return files("funnelsim.show.live").joinpath(name).read_text(encoding="utf-8")


def _script(name: str) -> str:
    # Inside <script> only this sequence could end the element too early.
    return _part(name).replace("</script", "<\\/script")


def _digest(script: str) -> str:
    """Return what a page's policy calls a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
