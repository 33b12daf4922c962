"""The shell of every page of ours: one HTML file that carries all it needs and fetches nothing.

    body = facts({"samples": "9,412", "participants": "13"}) + table(
        [Column("participant"), Column("samples", numeric=True), Column("full", numeric=True)],
        [["p01", 812, Shown("31 %", 0.31)], ["p02", 790, None]],
        caption="Coverage by participant",
    )
    html = page("A dataset", [Section("Balance", body, lead="What each participant brings.")])

A value that is put into a page is text and stays text, unless it is a `Markup`: names of participants and
files are not ours. A fragment of one's own is written as `Markup("<b>{}</b>").format(name)`, which
escapes what is filled in, or as a template next to this module, for `render`. Nothing else makes a
`Markup` of a string.

The policy in each page's head lets it run the script and the style it was made with, by their hashes,
show pictures that are in the file, and do nothing else. It forbids `style="..."` and `onclick="..."`
too: use classes, SVG attributes and `addEventListener`. A page with more style or behaviour hands them
to `page` as `style` and `script`, which are code of ours and never hold a user's words; what such a
script works on stands in the page as `data_block("name-data", plain_values)`.

The style's tokens (`var(--ink)`, `--faint`, `--accent`, `--warn`, ...) are light or dark as the reader's
system is, and light on paper. Figures of matplotlib go through `figure_plate`, which lets them follow.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labelkit import __version__

TEMPLATES: Path = Path(__file__).parent / "templates"

PictureType = Literal["jpeg", "png", "svg+xml"]


@dataclass(frozen=True)
class Section:
    """A part of a page: it stands in the contents by its title.

    Attributes:
        lead: a sentence or two below the title.
    """

    title: str
    body: Markup
    lead: str = ""

    @property
    def anchor(self) -> str:
        """The section's id; a page's titles differ, so these do."""
        plain = unicodedata.normalize("NFKD", self.title).encode("ascii", "ignore").decode().lower()
        return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers are flush right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Shown:
    """A cell that is sorted by another value than the words it shows, such as a share or a picture."""

    words: str | Markup
    by: float | str | None


Cell = str | float | Markup | Shown | None


def page(
    title: str,
    sections: Sequence[Section],
    *,
    lead: str = "",
    style: str = "",
    script: str = "",
) -> bytes:
    """Make a page.

    Args:
        lead: what the page is of, below its title.
        style, script: CSS and JavaScript of this page's own, after the shell's.
    Returns:
        The file's content; the same arguments, the same bytes.
    """
    style = read_template("page.css") + style
    script = read_template("page.js") + script
    return render(
        "page.html",
        title=title,
        lead=lead,
        sections=sections,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        version=__version__,
    ).encode()


def _policy(style: str, script: str) -> str:
    allowed = [f"{kind}-src '{_hash(code)}'" for kind, code in (("style", style), ("script", script))]
    return "; ".join(["default-src 'none'", "img-src data:", *allowed, "base-uri 'none'", "form-action 'none'"])


def _hash(code: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"


@cache
def read_template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell_text
    environment.filters["glue"] = glue
    return environment


def render(template: str, **values: Any) -> Markup:
    """Fill in a template of TEMPLATES; every value is escaped except a `Markup`."""
    return Markup(_environment().get_template(template).render(**values))


_UNITS = "%|mm|cm|m|ms|s|px|MB|degrees|grey levels"
_GLUED = re.compile(rf"<code>.*?</code>|(?<=\d) (?=(?:{_UNITS})(?!\w))|(?<=±) (?=\d)|(?<=°,) (?=\S)")


def glue(words: str | Markup) -> str | Markup:
    """Let no line break between a number and its unit; markup stays markup, and commands in it stay as they are."""
    glued = _GLUED.sub(lambda found: "\N{NO-BREAK SPACE}" if found[0] == " " else found[0], str(words))
    return Markup(glued) if isinstance(words, Markup) else glued


def breakable(path: str) -> Markup:
    """Let a path break after its slashes, so that a number in a name is not torn apart."""
    return Markup("/<wbr>").join(path.split("/"))


def facts(values: Mapping[str, str | Markup]) -> Markup:
    """Show a few figures large, each with what it is: name -> value."""
    return render("facts.html", values=values)


def note(words: str | Markup, *, warning: bool = False) -> Markup:
    """Set a remark apart; a warning in the colour of warnings, and by name."""
    return render("note.html", words=words, warning=warning)


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, caption: str, shown: int = 20) -> Markup:
    """Make a table that a reader can sort by any column and filter by any word, by keyboard too.

    Args:
        rows: a cell for each column; None is shown as a dash and sorted last.
        caption: the table's name, said above it and to screen readers.
        shown: rows to begin with; the rest come on demand, and a filter searches all.
    """
    return render("table.html", columns=columns, rows=rows, caption=caption, shown=shown)


def _cell_text(cell: Cell) -> Shown:
    if isinstance(cell, Shown):
        return cell
    if cell is None or isinstance(cell, str):
        return Shown("–" if cell is None else cell, None)  # noqa: RUF001
    return Shown(f"{cell:,}" if isinstance(cell, int) else f"{cell:,.2f}", cell)


def data_url(content: bytes, kind: PictureType) -> str:
    """Write a picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def plate(content: bytes, kind: PictureType, *, alt: str, caption: str | Markup = "") -> Markup:
    """Show a figure, such as matplotlib's as SVG or PNG, on white paper and as wide as the page.

    Args:
        alt: what it shows, for who cannot see it.
    """
    return render("plate.html", source=data_url(content, kind), alt=alt, caption=caption)


def data_block(identifier: str, values: Any) -> Markup:
    """Put plain values where a page's script finds them: `JSON.parse(document.getElementById(id).textContent)`."""
    content = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Nothing in it may end the element, or begin a comment in it.
    safe = content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup('<script type="application/json" id="{}">{}</script>\n').format(identifier, Markup(safe))
