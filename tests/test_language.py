"""Pages, help and messages are in plain English: words and phrases that readers stumble over are not in them."""

from __future__ import annotations

import ast
import re
import tokenize
from pathlib import Path

import pytest
from click.testing import CliRunner

import labelkit
from labelkit.cli import program

REPOSITORY = Path(labelkit.__file__).parents[1]

# what to write in place of a word or phrase; its pattern, in which a space is any white space
PLAINER = {
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix, repair, correct",
    r"beside": "next to, compared with, together with",
    r"behind": "after (of time or order); of places, see BEHIND",
    r"hence|thus|thereby": "so",
    r"whilst": "while",
    r"lest": "so that ... not",
    r"whoever|whomever|whosoever": "a person who, a process that",
    r"whatever becomes|what becomes of": "what happens to",
    r"how many it were": "how many there were",
    r"(is|are) told (by|of)": "(`inspect`) lists it, (a call) gets it",
    r"next to nothing": "almost nothing",
    r"no number any more": "no longer a number",
    r"amid|amidst|upon|albeit|ere": "in, on, although, before",
    r"(is|are) of the page": "belongs to the page",
    r"(?-i:Who) (ends|is|are|has|have|loses|wants|follows|misse[ds]|looks|needs)": "a noun before the who",
    r"(?-i:What) begins anew": "a network that begins again",
}
STUMBLES = {re.compile(rf"(?i)\b(?:{pattern})\b".replace(" ", r"\s+")): better for pattern, better in PLAINER.items()}

# "behind" of places, seen from the camera
BEHIND = re.compile(
    r"(?i)(?:face|is|far)\s+behind\s+it|close\s+behind\s+(?:it|them)|behind\s+(?:at\s+least\s+60|which\s+there\s+is\s+nothing\s+near"
    r"|(?:a|an|the|its|it)\s+(?:\w+\s+)?(?:camera|edge|hand|hand's|neighbour|nearest|palm|pixel|pixels|point|wall))\b"
)


def stumbles(text):
    """List the words to replace in a text, each with the words around it and what to write."""
    text = BEHIND.sub("", text)
    return [
        f"{' '.join(text[max(0, found.start() - 30) : found.end() + 20].split())!r}: write {better}"
        for pattern, better in STUMBLES.items()
        for found in pattern.finditer(text)
    ]


def strings(path):
    """Read the docstrings, messages and other texts of several words in a file of Python."""
    constants = (node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant))
    return "\n".join(value for value in constants if isinstance(value, str) and " " in value)


def comments(path):
    with path.open("rb") as file:
        tokens = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
    return "\n".join(token.lstrip("# ") for token in tokens)


def prose(page):
    """Read a page without its blocks of code."""
    return re.sub(r"(?s)```.*?```", "", page.read_text("utf-8"))


def found(*patterns):
    return sorted(path for pattern in patterns for path in REPOSITORY.glob(pattern))


PAGES = found("*.md", "docs/**/*.md")
OTHERS = found(
    "Makefile", "CITATION.cff", "scripts/*.sh", "labelkit/**/*.html", "labelkit/**/*.js", "pipelines/**/*.toml"
)
CODE = found("labelkit/**/*.py", "pipelines/**/*.py", "benchmarks/**/*.py")


def named(path):
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_is_in_plain_english(page):
    assert stumbles(prose(page)) == []


@pytest.mark.parametrize("path", OTHERS, ids=named)
def test_what_make_scripts_and_templates_say_is_in_plain_english(path):
    assert stumbles(path.read_text("utf-8")) == []


@pytest.mark.parametrize("name", ["", *program.COMMANDS])
def test_help_is_in_plain_english(name):
    shown = CliRunner().invoke(program.labelkit, [*name.split(), "--help"])
    assert shown.exit_code == 0, shown.output
    assert stumbles(shown.output) == []


@pytest.mark.parametrize("path", CODE, ids=named)
def test_docstrings_messages_and_comments_are_in_plain_english(path):
    assert stumbles(strings(path)) == []
    assert stumbles(comments(path)) == []


def test_every_word_of_the_list_is_found_and_places_are_not():
    text = "It is mended anew by whoever is behind, hence learned next to nothing. Who ends so was told by nobody."
    assert len(stumbles(text)) == 7
    assert stumbles("A wall behind the farthest hand; an edge behind a neighbour; the face behind it.") == []
