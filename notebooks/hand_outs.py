"""Write the lessons as pages that need no network: `python start.py course [--out FOLDER] [--language zh]`.

Each page is one file: prose, code, tables, charts that live, the same lesson as slides, exercises, and their
solutions behind a click. Nothing is run: the pages show the outputs that the notebooks keep.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Both come with rich, which the terminal's tables need.
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from funnelsim.errors import FunnelError, check_word
from funnelsim.files import write_atomic
from funnelsim.show.charts.theme import VEGA
from funnelsim.show.page import bundled, digests_in, embedded, policy_of

FOLDER = Path(__file__).resolve().parent
PARTS = FOLDER / "hand_outs"
LANGUAGES = ("en", "zh")
# Folder of notebooks -> folder of its pages. The course is what a class is given, so it stands at the top.
BOOKS = {"course": "", ".": "planner"}
PAPERS = ("trainers_guide", "glossary")
ELSEWHERE = re.compile(r"[a-z]+://|mailto:")
LISTED = re.compile(r"([-*|]|\d+\.) ")
SCOPED = re.compile(r"<style scoped>.*?</style>\s*", re.DOTALL)
FORMULA = re.compile(r"\$[^$\n]+\$|\\\(|\\\[")


@dataclass(frozen=True)
class Lesson:
    """A notebook: where it is, where its page goes, and its cells.

    Args:
        path: of the notebook.
        page: of its page, below the folder of all pages.
        cells: of the notebook, prose in the wanted language.
    """

    path: Path
    page: str
    cells: Sequence[Mapping[str, Any]]

    @property
    def title(self) -> str:
        """What its first heading says."""
        first = source(self.cells[0]).splitlines()[0] if self.cells else ""
        if not first.startswith("# "):
            raise FunnelError(
                f"{self.path}: the first line is '{first}'; a lesson begins with '# ' and its title"
            )
        return first.removeprefix("# ")

    @property
    def question(self) -> str:
        """The first sentence in bold: what the lesson answers."""
        found = re.search(r"\*\*(.+?)\*\*", source(self.cells[0]), re.DOTALL)
        return " ".join(found[1].split()) if found else ""


@dataclass(frozen=True)
class Sheet:
    """The exercises of a lesson, and their solutions."""

    tasks: Lesson
    solutions: Lesson


def source(cell: Mapping[str, Any]) -> str:
    """Return a cell's text."""
    return "".join(cell["source"])


def read_lesson(path: Path, page: str, language: str) -> Lesson:
    """Read a notebook, with its prose in a language where that has a message file.

    Raises:
        FunnelError: not a notebook, or the messages are not those of its prose.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        raise FunnelError(f"{path}: cannot be read as a notebook") from None
    messages = messages_of(path, language)
    spoken = translated(Lesson(path, page, cells), messages) if messages else Lesson(path, page, cells)
    if messages:
        spoken = with_chart_words(spoken, json.loads(part("charts.json"))[language])
    for cell in spoken.cells:
        if cell["cell_type"] == "markdown" and (found := FORMULA.search(source(cell))):
            raise FunnelError(
                f"{path}, {cell['id']}: '{found[0]}' is a formula for MathJax; write it as code or words"
            )
    return spoken


def messages_of(path: Path, language: str) -> Mapping[str, Mapping[str, Any]]:
    """Return a lesson's prose in another language by cell, or nothing where it was not translated."""
    file = path.parent / language / f"{path.stem}.json"
    if language == "en" or not file.exists():
        return {}
    messages: dict[str, Mapping[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return messages


def mark_of(text: str) -> str:
    """Return eight letters that change with the text, by which a message knows the English it was made from.

    >>> mark_of("One lead")
    '3f812fc6'
    """
    return hashlib.sha256(" ".join(text.split()).encode("utf-8")).hexdigest()[:8]


def translated(lesson: Lesson, messages: Mapping[str, Mapping[str, Any]]) -> Lesson:
    """Return the lesson with its prose from a message file; code and outputs are the same ones.

    Raises:
        FunnelError: a cell without message, a message without cell, or one made from another English text.
    """
    prose = {cell["id"]: source(cell) for cell in lesson.cells if cell["cell_type"] == "markdown"}
    if prose.keys() != messages.keys():
        odd = sorted(prose.keys() ^ messages.keys())[0]
        raise FunnelError(
            f"{lesson.path}, {odd}: stands either in the lesson or in its messages, not in both"
        )
    for name, text in prose.items():
        if messages[name]["of"] != mark_of(text):
            raise FunnelError(
                f"{lesson.path}, {name}: its message was made from another English text;"
                f" translate it again and say '{mark_of(text)}'"
            )
    cells = [
        {**cell, "source": "\n".join(messages[cell["id"]]["text"])} if cell["id"] in messages else cell
        for cell in lesson.cells
    ]
    return replace(lesson, cells=cells)


def with_chart_words(lesson: Lesson, told: Mapping[str, str]) -> Lesson:
    """Return the lesson with titles, axes and labels of its charts in another language; numbers are the same.

    Args:
        lesson: its cells may hold charts.
        told: English text -> the other language's; {} stands for a number or a name.

    Raises:
        FunnelError: a title or an axis without message.
    """
    cells = []
    for cell in lesson.cells:
        outputs = [dict(output) for output in cell.get("outputs", [])]
        for output in outputs:
            if VEGA in output.get("data", {}):
                output["data"] = {**output["data"], VEGA: respoken(output["data"][VEGA], told, lesson.path)}
        cells.append({**cell, "outputs": outputs} if outputs else cell)
    return replace(lesson, cells=cells)


def respoken(spec: Any, told: Mapping[str, str], path: Path, key: str = "") -> Any:
    """Return a chart, or a part of it, with its words from a message file."""
    if key in ("title", "text", "subtitle", "label") and (isinstance(spec, str) or _all_text(spec)):
        said = spec if isinstance(spec, str) else " ".join(spec)
        found = said_as(said, told)
        if found is None and said and key != "label":
            raise FunnelError(f"{path}: the words '{said}' of a chart have no message")
        return spec if found is None else found
    if key == "description" and isinstance(spec, str):
        return ""  # made of the title's English words; the title is read in its place
    if isinstance(spec, dict):
        return {name: respoken(part, told, path, name) for name, part in spec.items()}
    return [respoken(part, told, path) for part in spec] if isinstance(spec, list) else spec


def _all_text(spec: Any) -> bool:
    return isinstance(spec, list) and bool(spec) and all(isinstance(part, str) for part in spec)


def said_as(text: str, told: Mapping[str, str]) -> str | None:
    """Return a text by the first message that fits it, with its numbers and names; None where none does.

    >>> said_as("56 % to Offer", {"{} % to {}": "{} % 到 {}"}), said_as("Days", {})
    ('56 % 到 Offer', None)
    """
    for english, other in told.items():
        found = re.fullmatch(re.escape(english).replace(r"\{\}", "(.+?)"), text)
        if found:
            return other.format(*found.groups())
    return None


def lessons_in(folder: Path, below: str, language: str) -> list[Lesson]:
    """Return the lessons of one folder, in the order of their numbers."""
    paths = sorted(folder.glob("[0-9]*.ipynb"))
    pages = [f"{below}/{path.stem}.html" if below else f"{path.stem}.html" for path in paths]
    return [read_lesson(path, page, language) for path, page in zip(paths, pages, strict=True)]


def sheets_in(folder: Path) -> dict[str, Sheet]:
    """Return the sheets of exercises below a folder, by the title of the lesson that they belong to."""
    found = {}
    for path in sorted(folder.rglob("exercises/[0-9]*_solutions.ipynb")):
        solutions = read_lesson(path, "", "en")
        tasks = path.with_name(path.name.replace("_solutions", ""))
        sheet = Sheet(
            read_lesson(tasks, "", "en") if tasks.exists() else replace(solutions, cells=()), solutions
        )
        found[re.sub(r"^Solutions (to|of) ", "", solutions.title)] = sheet
    return found


class Writer:
    """Turns the cells of one page into HTML, and keeps count of its headings and charts.

    Args:
        page: of the page that is written, for links from it.
        targets: notebook -> page, of all that is written.
        words: of the page's frame.
    """

    def __init__(self, page: str, targets: Mapping[Path, str], words: Mapping[str, str]) -> None:
        self.page, self.targets, self.words = page, targets, words
        self.contents: list[tuple[str, str]] = []
        self.charts = 0
        self.digests: list[str] = []
        self.markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def cells(self, lesson: Lesson, deeper: int = 0) -> str:
        """Return all cells; headings `deeper` levels down, where a sheet stands inside a lesson."""
        return "\n".join(part for cell in lesson.cells for part in self._cell(lesson, cell, deeper))

    def _cell(self, lesson: Lesson, cell: Mapping[str, Any], deeper: int) -> Iterator[str]:
        if cell["cell_type"] == "markdown":
            for text in re.split(r"\n(?=#{1,3} )", source(cell)):
                look, rest = parted(text, self.words["reading"])
                if look:  # a slide shows it with the figure or the table that it tells of
                    yield f'<section class="prose reading">{self.prose(look, lesson.path, deeper)}</section>'
                if rest:
                    yield f'<section class="prose">{self.prose(rest, lesson.path, deeper)}</section>'
        elif source(cell).strip():
            outputs = "".join(self._output(output) for output in cell.get("outputs", []))
            shown = f'<div class="output">{outputs}</div>' if outputs else ""
            quiet = "" if outputs else " quiet"
            yield f'<section class="code{quiet}">{code(source(cell))}{shown}</section>'

    def prose(self, text: str, path: Path, deeper: int = 0) -> str:
        """Return Markdown as HTML; what looks like HTML in it is text."""
        tokens = self.markdown.parse(text)
        for number, token in enumerate(tokens):
            if token.type in ("heading_open", "heading_close"):
                token.tag = f"h{min(int(token.tag[1]) + deeper, 6)}"
            if token.type == "heading_open" and token.tag == "h2":
                name = f"part-{len(self.contents) + 1}"
                token.attrSet("id", name)
                self.contents.append((name, plain(tokens[number + 1])))
            for child in token.children or ():
                self._link(child, path)
        shown: str = self.markdown.renderer.render(tokens, self.markdown.options, {})
        return shown.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")

    def _link(self, token: Token, path: Path) -> None:
        """Point a link at a page of ours and put a picture into the page; other files do not travel along."""
        if token.type == "image":
            picture = (path.parent / str(token.attrs["src"])).read_bytes()
            token.attrs["src"] = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
        if token.type != "link_open":
            return
        address = str(token.attrs.get("href", ""))
        file, _, part = address.partition("#")
        page = self.targets.get((path.parent / file).resolve())
        if page is not None:
            token.attrs["href"] = relative(self.page, page) + (f"#{part}" if part else "")
        elif not ELSEWHERE.match(address) and file:
            del token.attrs["href"]

    def _output(self, output: Mapping[str, Any]) -> str:
        if output["output_type"] == "stream":
            return f"<pre>{html.escape(''.join(output['text']).rstrip())}</pre>"
        data = output.get("data", {})
        if VEGA in data:
            return self._chart(data)
        if "text/html" in data:
            return self._rich("".join(data["text/html"]))
        return f"<pre>{html.escape(''.join(data.get('text/plain', '')))}</pre>"

    def _chart(self, data: Mapping[str, Any]) -> str:
        """Return the picture that the notebook keeps, and the living chart that replaces it, as data."""
        self.charts += 1
        name = f"chart-{self.charts}"
        said = html.escape(str(data[VEGA].get("description") or heading_of(data)))
        picture = "".join(data["image/png"]).replace("\n", "")
        return (
            f'<figure><div class="chart" id="{name}">'
            f'<img alt="{said}" src="data:image/png;base64,{picture}"></div></figure>'
            f'<script type="application/json" data-chart="{name}">{embedded(data[VEGA])}</script>'
        )

    def _rich(self, shown: str) -> str:
        """Return a table that scrolls by itself where it is too wide, or a page in a frame of its own."""
        if "<iframe" in shown:
            # A frame without an address of its own obeys the page's policy too.
            self.digests += digests_in(html.unescape(shown))
            return shown
        return f'<div class="scroll" tabindex="0">{SCOPED.sub("", shown)}</div>'


def parted(text: str, beginning: str) -> tuple[str, str]:
    """Return the paragraph, and its list, that tells what to look at in the output above, and the rest.

    >>> parted("What to look at: the peak.\\n\\nNow guess.", "What to look at")
    ('What to look at: the peak.', 'Now guess.')
    >>> parted("Now guess.", "What to look at")
    ('', 'Now guess.')
    """
    if not text.startswith(beginning):
        return "", text
    blocks = re.split(r"\n{2,}", text)
    end = next((n for n, block in enumerate(blocks) if n and not LISTED.match(block)), len(blocks))
    return "\n\n".join(blocks[:end]), "\n\n".join(blocks[end:])


def heading_of(data: Mapping[str, Any]) -> str:
    """Return the title of a chart, or what stands for it in plain text."""
    title = data[VEGA].get("title", {})
    said = title.get("text", "") if isinstance(title, Mapping) else title
    return (said if isinstance(said, str) else " ".join(said)) or "".join(data["text/plain"])


def plain(token: Token) -> str:
    """Return what a heading says, without emphasis."""
    return "".join(child.content for child in token.children or ())


def relative(here: str, there: str) -> str:
    """Return the address of a page as another one names it.

    >>> relative("planner/01_one_lead.html", "02_entry.html"), relative("a.html", "planner/b.html")
    ('../02_entry.html', 'planner/b.html')
    """
    ours, theirs = here.split("/")[:-1], there.split("/")
    if theirs[:-1] == ours:
        return theirs[-1]
    return "../" * len(ours) + there


def code(text: str) -> str:
    """Return Python in colours that survive a grey printer."""
    coloured = highlight(text.strip(), PythonLexer(), HtmlFormatter(nowrap=True))
    return f'<pre class="source">{coloured.rstrip()}</pre>'


def part(name: str) -> str:
    """Return one of the files that all pages share."""
    return (PARTS / name).read_text(encoding="utf-8")


def words_in(language: str) -> dict[str, str]:
    """Return the words of a page's frame.

    Raises:
        FunnelError: an unknown language.
    """
    check_word("language", language, LANGUAGES)
    words: dict[str, str] = json.loads(part("words.json"))[language]
    return words


def lesson_page(
    lesson: Lesson,
    sheet: Sheet | None,
    targets: Mapping[Path, str],
    words: Mapping[str, str],
    around: tuple[Lesson | None, Lesson | None],
) -> str:
    """Return a lesson as a whole page.

    Args:
        lesson: what to show.
        sheet: its exercises, if any.
        targets: notebook -> page, of all that is written.
        words: of the page's frame.
        around: the lessons before and after it.
    """
    writer = Writer(lesson.page, targets, words)
    body = writer.cells(lesson)
    if sheet is not None:
        body += exercises(writer, sheet, words)
    before, after = around
    steps = [(words["before"], before), (words["after"], after)]
    links = [
        f'<a href="{relative(lesson.page, one.page)}"><small>{way}</small> {html.escape(one.title)}</a>'
        for way, one in steps
        if one is not None
    ]
    foot = f'<nav class="steps">{"".join(links)}</nav>'
    return whole(lesson.title, body, foot, writer, words)


def exercises(writer: Writer, sheet: Sheet, words: Mapping[str, str]) -> str:
    """Return the tasks of a sheet, and behind a click their solutions."""
    name = f"part-{len(writer.contents) + 1}"
    writer.contents.append((name, words["exercises"]))
    head = f'<section class="prose"><h2 id="{name}">{words["exercises"]}</h2></section>'
    tasks = writer.cells(without_title(sheet.tasks), 1) if sheet.tasks.cells else ""
    solved = writer.cells(without_title(sheet.solutions), 1)
    return (
        f'\n<div class="sheet">{head}{tasks}'
        f"<details><summary>{words['solutions']}</summary>{solved}</details></div>"
    )


def without_title(lesson: Lesson) -> Lesson:
    """Return a sheet that does not say again to which lesson it belongs."""
    first = {**lesson.cells[0], "source": source(lesson.cells[0]).partition("\n")[2].strip()}
    return replace(lesson, cells=[first, *lesson.cells[1:]])


def paper_page(path: Path, targets: Mapping[Path, str], words: Mapping[str, str]) -> str:
    """Return a text in Markdown as a whole page."""
    writer = Writer(f"{path.stem}.html", targets, words)
    text = path.read_text(encoding="utf-8")
    cells = [{"cell_type": "markdown", "source": text, "id": path.stem}]
    lesson = Lesson(path, writer.page, cells)
    return whole(lesson.title, writer.cells(lesson), "", writer, words)


def index_page(
    books: Mapping[str, Sequence[Lesson]], papers: Mapping[str, str], words: Mapping[str, str]
) -> str:
    """Return the page from which all others are reached."""
    writer = Writer("index.html", {}, words)
    parts = [f'<section class="prose"><h1>{words["title"]}</h1><p>{words["lede"]}</p>']
    links = [f'<li><a href="{page}">{html.escape(title)}</a></li>' for page, title in papers.items()]
    parts.append(f'<ul class="papers">{"".join(links)}</ul></section>' if links else "</section>")
    for book, lessons in books.items():
        if lessons:
            rows = "".join(map(row, lessons, [words] * len(lessons)))
            parts.append(
                f'<section class="prose"><h2>{words[book]}</h2><ol class="lessons">{rows}</ol></section>'
            )
    return whole(words["title"], "\n".join(parts), "", writer, words)


def row(lesson: Lesson, words: Mapping[str, str]) -> str:
    """Return a lesson's line on the index: title, question, slides."""
    return (
        f'<li><a href="{lesson.page}">{html.escape(lesson.title)}</a>'
        f'<a class="show" href="{lesson.page}#slide-1">{words["slides"]}</a>'
        f"<span>{html.escape(lesson.question)}</span></li>"
    )


def whole(title: str, body: str, foot: str, writer: Writer, words: Mapping[str, str]) -> str:
    """Return the document; its policy lets only scripts run that are known here, and nothing be fetched."""
    ours = part("hand_outs.js")
    script = bundled(ours) if writer.charts else ours
    policy = policy_of(script, list(dict.fromkeys(writer.digests)))
    home = relative(writer.page, "index.html")
    contents = "".join(f'<a href="#{name}">{html.escape(said)}</a>' for name, said in writer.contents)
    buttons = (
        f'<button type="button" data-do="slides">{words["slides"]}</button>'
        f'<button type="button" data-do="code">{words["code"]}</button>'
        if 'class="code' in body
        else ""
    )
    return f"""<!DOCTYPE html>
<html lang="{words["lang"]}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
{part("hand_outs.css")}</style>
</head>
<body>
<header><p class="identity">
<strong>funnelsim</strong><a href="{home}">{words["title"]}</a>{buttons}
</p></header>
<main><nav class="contents">{contents}</nav><article>
{body}
</article></main>
<footer>{foot}</footer>
<div class="bar" hidden><span></span>{words["keys"]}</div>
<script>{script}</script>
</body>
</html>
"""


def write_pages(out: Path, language: str) -> list[Path]:
    """Write every page into a folder, and return their paths.

    Args:
        out: made where it does not exist.
        language: "en", or "zh": lessons that were translated, the others in English.

    Raises:
        FunnelError: an unknown language, or what cannot be read or written.
    """
    words = words_in(language)
    books = {book: lessons_in(FOLDER / book, below, language) for book, below in BOOKS.items()}
    papers = [path for name in PAPERS if (path := FOLDER / "course" / f"{name}.md").exists()]
    targets = {one.path: one.page for lessons in books.values() for one in lessons}
    targets |= {path: f"{path.stem}.html" for path in papers}
    sheets, pages = sheets_in(FOLDER), {}
    english = {one.path: read_lesson(one.path, "", "en").title for one in chain(books)}
    both = [(sheets[english[one.path]], one) for one in chain(books) if english[one.path] in sheets]
    targets |= {sheet.tasks.path: one.page for sheet, one in both}
    for lessons in books.values():
        for one, before, after in zip(lessons, [None, *lessons], [*lessons[1:], None], strict=False):
            sheet = sheets.get(english[one.path])
            pages[one.page] = lesson_page(one, sheet, targets, words, (before, after))
    pages |= {f"{path.stem}.html": paper_page(path, targets, words) for path in papers}
    titles = {f"{path.stem}.html": words[path.stem] for path in papers}
    pages["index.html"] = index_page(books, titles, words)
    return [write(out / page, text) for page, text in pages.items()]


def chain(books: Mapping[str, Sequence[Lesson]]) -> list[Lesson]:
    """Return the lessons of all books."""
    return [one for lessons in books.values() for one in lessons]


def write(path: Path, text: str) -> Path:
    """Write a page, and the folder that it goes into.

    Raises:
        FunnelError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FunnelError(f"{path.parent}: cannot be made: {error.strerror}") from None
    write_atomic(path, text)
    return path


def main(words: list[str]) -> int:
    """Write the pages and return 0, or say in one sentence why not and return 2."""
    asked = argparse.ArgumentParser(prog="start.py course", description="Write the lessons as pages.")
    asked.add_argument("--out", default="out/course", help="folder for the pages (default: out/course)")
    asked.add_argument(
        "--language", default="en", help="en, or zh: the lessons that have Chinese prose in it"
    )
    given = asked.parse_args(words)
    try:
        paths = write_pages(Path(given.out), given.language)
    except FunnelError as error:
        print(error, file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in paths) / 1e6
    print(f"{len(paths)} pages, {size:.0f} MB: open {Path(given.out) / 'index.html'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
