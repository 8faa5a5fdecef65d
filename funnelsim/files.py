"""Files at the doors: text in its encoding, YAML read safely, shapes checked, files written whole or not."""

from __future__ import annotations

import codecs
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml

from funnelsim.errors import FunnelError, nearest, nearest_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Shape = TypeVar("Shape")
LARGEST = 5_000_000
MOST_NODES = 50_000
DEEPEST = 40
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
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
MISSING = ("missing", "missing_argument")


class _Loader(yaml.SafeLoader):
    """The safe loader without what makes YAML surprising or dangerous.

    Only true/false are truth values (a channel may be called `no` or `on`), dates stay text for the
    reader that knows what they mean, 1e6 is a number, a key may come once, and nothing repeats by alias.
    """

    nodes = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        self.nodes, self.depth = self.nodes + 1, self.depth + 1
        if isinstance(event, yaml.AliasEvent):
            raise _marked(
                f"the alias '*{event.anchor}' is not allowed here; write the value out", event.start_mark
            )
        if self.nodes > MOST_NODES:
            raise _marked(f"more than {MOST_NODES} values in one file", event.start_mark)
        if self.depth > DEEPEST:
            raise _marked(f"lists or mappings nested more than {DEEPEST} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[object, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _marked("a key must be a word or a number, not a list or mapping", key_node.start_mark)
            key, line = self.construct_object(key_node), key_node.start_mark.line + 1
            if key in seen:
                raise _marked(
                    f"the key '{key}' is given twice (first in line {seen[key]})", key_node.start_mark
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


def _marked(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _number(_loader: _Loader, node: yaml.ScalarNode) -> float | int:
    text = node.value.replace("_", "")
    if len(text) > 300:
        raise _marked(f"a number of {len(text)} digits", node.start_mark)
    number = int(text) if text.lstrip("+-").isdecimal() else float(text)
    if abs(number) > 1e300:
        raise _marked(f"the number {text[:30]} is too large", node.start_mark)
    return number


def _set_up_words() -> None:
    """Teach the loader the plain words of YAML 1.2: null, true/false, decimal numbers, else text."""
    _Loader.yaml_implicit_resolvers = {}
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF")
    )
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|)$"), ["~", "n", "N", ""]
    )
    number = re.compile(r"^[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$", re.ASCII)
    for tag in ("int", "float"):
        _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", number, list("-+.0123456789"))
        _Loader.add_constructor(f"tag:yaml.org,2002:{tag}", _number)


_set_up_words()


def read_text(path: str | Path, largest: int = LARGEST) -> str:
    """Return a text file's content.

    Args:
        path: the file.
        largest: most bytes it may have.

    Raises:
        FunnelError: no such file, a folder, too large, binary, or not UTF-8; says which.
    """
    try:
        kind = Path(path).stat()
        if not stat.S_ISREG(kind.st_mode):
            raise FunnelError(f"{path}: not a file")
        if kind.st_size > largest:
            raise FunnelError(f"{path}: {kind.st_size:,} bytes; a file of this kind has at most {largest:,}")
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, FunnelError):
            raise
        raise FunnelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if b"\0" in data:
        raise FunnelError(f"{path}: holds binary data; expected text in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FunnelError(
            f"{path}, line {line}: not UTF-8 (byte {data[error.start]:#04x}); save it as UTF-8"
        ) from None


def secret(given: str | None) -> str | None:
    """Return the key itself: as given, the first line of a file (@FILE), or a variable's value (env:NAME).

    Raises:
        FunnelError: the file cannot be read, the variable is not set, or the key is empty.
    """
    if given is None or not given.startswith(("@", "env:")):
        return given
    if given.startswith("env:"):
        key = os.environ.get(given[4:], "")
        missing = f"--anonymise {given}: the variable {given[4:]} is not set, or empty"
    else:
        key = (read_text(given[1:]).splitlines() or [""])[0].strip()
        missing = f"--anonymise {given}: its first line is empty; it should hold the key"
    if not key:
        raise FunnelError(missing)
    return key


def to_text(data: bytes, file: str, encoding: str | None = None) -> tuple[str, str]:
    """Return a file's text and the name of its encoding: UTF-8, UTF-16, UTF-32, GBK, Big5 or Windows-1252.

    Args:
        data: the whole file.
        file: its name, for the sentence.
        encoding: the encoding to use, where the user knows it.

    Raises:
        FunnelError: the bytes are no text, or not text in the encoding given.

    >>> to_text("阶段,赢单".encode("gbk"), "a.csv")
    ('阶段,赢单', 'gb18030')
    >>> to_text("Müller,Köln".encode("cp1252"), "a.csv")
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
        return likely_encoding(data)
    return "utf-8"


def likely_encoding(data: bytes) -> str:
    """Return the code page whose common characters make up the high bytes of the first million."""
    data = data[:SAMPLE]
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


def read_yaml(path: str | Path) -> object:
    """Return what a YAML file holds: mappings, lists, text, numbers, true/false; dates stay text.

    Args:
        path: a file of at most 5 MB in UTF-8, one document, without aliases, tags or repeated keys.

    Raises:
        FunnelError: the file cannot be read or is not such YAML; says the line.
    """
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: str | Path) -> object:
    """Return what YAML text holds, as `read_yaml` does; `path` is where it came from, for the sentence."""
    loader = None
    try:
        loader = _Loader(text)
        data = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise FunnelError(f"{path}{line}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise FunnelError(f"{path}: not YAML: {problem}") from None
    finally:
        if loader is not None:
            loader.dispose()
    if data is None:
        raise FunnelError(f"{path}: the file is empty")
    return data


def validated(
    shape: type[Shape],
    data: object,
    file: str | Path,
    under: Sequence[str | int] = (),
    context: Mapping[str, object] | None = None,
) -> Shape:
    """Return data as `shape`, or refuse it with a sentence for each fault.

    Args:
        shape: a pydantic model or pydantic dataclass that forbids extra keys.
        data: what `read_yaml` returned, or a part of it.
        file: where it came from, for the sentence.
        under: key path of `data` in the file, when it is a part of it.
        context: what the shape's own checks need to know, such as the unit of time of a whole file.

    Raises:
        FunnelError: names the file, the key path, the value, what was expected, and the nearest known key.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(shape).validate_python(data, context=dict(context or {}))
    except ValidationError as error:
        faults = FunnelError(*_sentences(shape, error.errors(), under))
        raise FunnelError(f"{file}: {faults}") from None


def _sentences(shape: object, errors: Sequence[ErrorDetails], under: Sequence[str | int]) -> list[str]:
    """Return a sentence for each fault, unknown keys first.

    A key written wrongly is unknown and missing at once; the unknown one is what the user sees.
    """
    unknown = [one for one in errors if one["type"] in UNKNOWN]
    meant = {
        (*one["loc"][:-1], nearest_name(one["loc"][-1], _keys(shape, _steps(one)[:-1]))) for one in unknown
    }
    others = [
        one for one in errors if one not in unknown and not (one["type"] in MISSING and one["loc"] in meant)
    ]
    return list(dict.fromkeys(_sentence(shape, one, under) for one in (*unknown, *others)))


def _steps(error: ErrorDetails) -> list[str | int]:
    return [part for part in error["loc"] if part not in ("[key]", "function-after")]


def key_path(parts: Sequence[str | int]) -> str:
    """Return a key path as people write it.

    >>> key_path(["changes", 2, "odds", "Proposal"])
    'changes[2].odds.Proposal'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")


def shown(value: object) -> str:
    """Return a value as it is quoted in a sentence: one line, not long.

    >>> shown("x" * 100)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ...'"
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]} ...{text[-1]}"


def _sentence(shape: object, error: ErrorDetails, under: Sequence[str | int]) -> str:
    where = _steps(error)
    if error["type"] in UNKNOWN:
        hint = nearest(where[-1], _keys(shape, where[:-1]))
        return _joined([*under, *where[:-1]], f"unknown key {shown(where[-1])}; {hint}")
    if error["type"] in MISSING:
        return _joined([*under, *where[:-1]], f"the key '{where[-1]}' is missing")
    if error["type"] == "value_error":
        return _joined([*under, *where], error["msg"].removeprefix("Value error, "))
    message = error["msg"].replace("Input should be", "expected").split(" or an instance of ")[0]
    message = message[:1].lower() + message[1:]
    for word, plain in (("dictionary", "mapping"), ("tuple", "list"), (" after validation", "")):
        message = message.replace(word, plain)
    return _joined([*under, *where], f"{shown(error['input'])} given, {message}")


def _joined(where: Sequence[str | int], message: str) -> str:
    return f"{key_path(where)}: {message}" if where else message


def _keys(shape: object, where: Sequence[str | int]) -> list[str]:
    """Return the keys known at a key path, found by walking the shape's annotations."""
    fields = getattr(shape, "__pydantic_fields__", None)
    if fields is not None:
        names = {field.alias or name: field.annotation for name, field in fields.items()}
        if not where:
            return list(names)
        return _keys(names[str(where[0])], where[1:]) if where[0] in names else []
    parts = get_args(shape)
    deeper = [_keys(part, rest) for part in parts for rest in (where, where[1:])]
    return max(deeper, key=len, default=[])


@dataclass(frozen=True)
class Output:
    """A file that was asked for: by which option, where, and which endings its format has.

    Args:
        option: as the user wrote it, such as "--json".
        path: where to; None where it was not asked for, "-" for standard output.
        endings: those that name a format which can be written; a path without any is let pass if `loose`.
        loose: whether a path may have no ending, as the format is the option's own.
        stream: whether it can be written to standard output.
    """

    option: str
    path: Path | None
    endings: tuple[str, ...]
    loose: bool = False
    stream: bool = False


def refuse_outputs(outputs: Sequence[Output], inputs: Iterable[str | Path | None]) -> None:
    """Refuse, before any work is done, outputs that cannot be written or would replace what is read.

    Every output is compared with every input and every other output by the file that it really is, through
    links of any kind; a folder that is read may hold no output.

    Raises:
        FunnelError: names the option, the file, and what to do instead.
    """
    wanted = [output for output in outputs if output.path is not None]
    read = [Path(str(given).removeprefix("sqlite:///")) for given in inputs if given is not None]
    for number, output in enumerate(wanted):
        path = output.path or Path()
        if str(path) == "-":
            if not output.stream:
                raise FunnelError(f"{output.option} -: cannot be written to standard output; name a file")
            continue
        _refuse_path(output, path)
        for given in read:
            if _is_same(path, given):
                raise FunnelError(f"{output.option} {path}: is what is read; name another file to write to")
            if given.is_dir() and _real(given) in _real(path).parents:
                raise FunnelError(f"{output.option} {path}: lies in the folder that is read; write elsewhere")
        for other in wanted[:number]:
            if other.path is not None and _is_same(path, other.path):
                raise FunnelError(f"{output.option} and {other.option} name the same file, {path}")


def _refuse_path(output: Output, path: Path) -> None:
    ending = path.suffix.casefold()
    if ending not in output.endings and not (output.loose and not ending):
        known = " or ".join(output.endings)
        raise FunnelError(f"{output.option} {path}: is written as {known}; '{ending}' is none of these")
    if ending == ".xlsx" and find_spec("openpyxl") is None:
        raise FunnelError(f"{path}: Excel files need openpyxl: pip install 'funnelsim[formats]'")
    if not _real(path).parent.is_dir():
        raise FunnelError(f"{path}: the folder {_real(path).parent} does not exist")
    if path.is_dir():
        raise FunnelError(f"{path}: is a folder; name a file in it")


def _real(path: Path) -> Path:
    """Return where a path leads, through all links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise FunnelError(f"{path}: a link that leads to itself") from None


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths are one file, also through links, or would be once written."""
    if _real(one) == _real(other):
        return True
    return one.exists() and other.exists() and one.samefile(other)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to; it takes the name `path` only if all went well.

    Raises:
        FunnelError: the folder is missing or cannot be written to, or the disk is full.
    """
    target = Path(path)
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            yield target  # a device or pipe, such as /dev/stdout, cannot be replaced
            return
        if target.is_dir() or not target.parent.is_dir():
            problem = "is a folder" if target.is_dir() else f"there is no folder '{target.parent}'"
            raise FunnelError(f"{path}: cannot be written: {problem}")
        temporary = target.with_name(f".{secrets.token_hex(6)}.part")
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FunnelError(f"{path}: cannot be written: {error.strerror or error}") from None


def write_atomic(path: str | Path, data: str | bytes) -> None:
    """Write a file whole or not at all: text becomes UTF-8, an existing file is replaced at once.

    Raises:
        FunnelError: the folder is missing or cannot be written to, or the disk is full.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


@contextmanager
def aside(outputs: Sequence[Output]) -> Iterator[None]:
    """While a file goes to standard output, tell people what they are told on the other stream."""
    if any(str(output.path) == "-" for output in outputs):
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def write_all(*outputs: tuple[Path | None, Callable[[Path], object]]) -> None:
    """Write the files that were asked for, and say where they are."""
    streamed = any(str(path) == "-" for path, _ in outputs)
    for path, write in outputs:
        if path is not None:
            write(path)
            if str(path) != "-":
                print(f"written: {path.resolve()}", file=sys.stderr if streamed else sys.stdout)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; "-" is standard output."""
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        write_atomic(path, text)
