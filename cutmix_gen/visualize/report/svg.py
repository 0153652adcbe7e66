"""What matplotlib draws, as SVG that lies in a page: its text stays text, its colours are the page's."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT, MAIN, SECOND = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04"
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--line)", MAIN: "var(--main)", SECOND: "var(--second)"}
"""Colours that stand for those of the page, which are others by day than by night."""

TEXT_SIZE = 11.0
"""In units of which a plot's width has 400."""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cutmix-gen",
    "font.size": TEXT_SIZE,
    "font.family": "sans-serif",
}
"""For `matplotlib.rc_context`: text stays text, and the same plot is the same file."""

_REFERENCE = re.compile(r"(?:^|url\()#([\w-]+)")
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """Return a figure as an SVG element.

    Parameters
    ----------
    figure : Figure
        Drawn in the colours of this module, under its settings.
    name : str
        Put before each id: all plots of a page share its ids.
    alt : str
        What it shows, in words.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())
    _remove(root, {"metadata", "style"})
    _rename(root, name)
    _colour(root)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib |= {"role": "img", "aria-label": alt}
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")


def _remove(root: ET.Element, names: set[str]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in names:
                parent.remove(child)


def _rename(root: ET.Element, name: str) -> None:
    """Put the plot's name before the ids that something refers to, and take the others away."""
    used = {
        found for element in root.iter() for value in element.attrib.values() for found in _REFERENCE.findall(value)
    }
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key != "id":
                element.set(key, _REFERENCE.sub(lambda found: found[0].replace("#", f"#{name}-"), value))
            elif value in used:
                element.set(key, f"{name}-{value}")
            else:
                del element.attrib[key]


def _colour(root: ET.Element) -> None:
    for element in root.iter():
        style = element.get("style")
        if style:
            for stand_in, variable in _VARIABLES.items():
                style = style.replace(stand_in, variable)
            element.set("style", style)
