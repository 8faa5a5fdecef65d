"""Pictures are right, small, and the same on every call."""

import struct
import subprocess
import sys
import zlib

import altair as alt
import vl_convert

from funnelsim.show.charts.theme import png, squeezed, svg, vegalite_version

SPEC = (
    alt.Chart(alt.Data(values=[{"a": 1, "b": "提案"}, {"a": 2, "b": "<b>"}]))
    .mark_bar(clip=True)
    .encode(x="a:Q", y="b:N")
    .to_dict()
)


def pixels(picture):
    place, data = 8, b""
    while place < len(picture):
        (size,) = struct.unpack_from(">I", picture, place)
        kind, body = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + size]
        (check,) = struct.unpack_from(">I", picture, place + 8 + size)
        assert check == zlib.crc32(kind + body)
        data += body if kind == b"IDAT" else b""
        place += 12 + size
    return zlib.decompress(data)


def test_squeezing_keeps_every_pixel():
    loose = vl_convert.vegalite_to_png(SPEC, vl_version=vegalite_version())
    assert pixels(squeezed(loose)) == pixels(loose)
    assert len(squeezed(loose)) < len(loose)


def test_pictures_repeat_exactly():
    assert png(SPEC) == png(SPEC)
    assert "clip-0" in svg(SPEC)
    assert svg(SPEC) == svg(SPEC)


def test_drawing_holds_names_as_text():
    drawing = svg(SPEC)
    assert "提案" in drawing
    assert "&lt;b&gt;" in drawing
    assert "<b>" not in drawing


def test_importing_charts_switches_the_renderer_on():
    code = "import altair, funnelsim.show.charts; print(altair.renderers.active, altair.theme.active)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["funnelsim", "funnelsim"]
