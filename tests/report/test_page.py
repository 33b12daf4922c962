from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from labelkit.report.page import (
    TEMPLATES,
    Column,
    Section,
    Shown,
    breakable,
    data_block,
    facts,
    glue,
    note,
    page,
    plate,
    table,
)
from labelkit.report.tiles import NormalArrow, tile, tiles

HOSTILE = """<script>alert(1)</script>"' onload=alert(2) x='</style><!--]]>&lt;"""


class Tree(HTMLParser):
    """What a browser would find in a page: elements with their attributes, and the text between."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def everything(words):
    picture = np.zeros((8, 8, 3), np.uint8)
    body = facts({words: words}) + note(words, warning=True)
    body += table([Column(words), Column("n", True)], [[words, 1], [Shown(words, words), None]], caption=words)
    body += plate(b"<svg/>", "svg+xml", alt=words, caption=words)
    body += tiles([tile(picture, [NormalArrow(np.array([0.6, -0.3, -0.7]))], alt=words, caption=words)])
    body += data_block("values", {words: words})
    return page(words, [Section(words, body, lead=words), Section("Other", Markup("<p>x</p>"))], lead=words).decode()


@given(words=st.text(min_size=1, max_size=30))
def test_whatever_words_are_put_in_the_page_has_the_same_elements(words):
    # A reader of HTML turns \r into \n and drops NUL; neither makes an element.
    shape = [(tag, set(attributes)) for tag, attributes in Tree(everything("plain")).elements]
    assert [(tag, set(attributes)) for tag, attributes in Tree(everything(words)).elements] == shape


def test_hostile_words_are_shown_as_they_are():
    tree = Tree(everything(HOSTILE))
    assert sum(HOSTILE in text for text in tree.text) >= 9
    assert ("img", "alt", HOSTILE) in [(tag, key, a[key]) for tag, a in tree.elements for key in a]


def test_the_policy_allows_the_page_s_own_script_and_style_and_nothing_else():
    html = page("A", [Section("B", Markup(""))], style="p { color: red }", script='console.log("x")').decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        (code,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert rules[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def test_a_page_asks_for_nothing_outside_itself_and_keeps_to_its_policy():
    sources = []
    for tag, attributes in Tree(everything("x")).elements:
        for key, value in attributes.items():
            assert key != "style", "the policy forbids it"
            assert not key.startswith("on"), "the policy forbids it"
            if key in ("src", "href", "srcset", "data", "action"):
                assert value.startswith(("#", "data:image/")), (tag, value)
                sources.append(value)
    assert sources


def test_the_same_arguments_give_the_same_bytes():
    assert everything("x") == everything("x")


@given(values=st.dictionaries(st.text(max_size=9), st.text(max_size=20) | st.integers() | st.booleans(), max_size=5))
def test_a_data_block_is_read_back_as_it_was_and_ends_where_it_should(values):
    block = data_block("values", values)
    (content,) = re.findall(r'<script type="application/json" id="values">(.*)</script>\n', block, re.DOTALL)
    assert json.loads(content) == values
    assert not {"<", ">", "&"} & set(content)


def test_numbers_carry_what_they_are_sorted_by_and_none_is_a_dash():
    rows = [["a", 1234567], ["b", 0.5], ["c", None], ["d", Shown("31 %", 0.31)]]
    html = table([Column("name"), Column("n", numeric=True)], rows, caption="t")
    assert re.findall(r'<td class="number"(?: data-by="(.*?)")?>(.*?)</td>', html) == [
        ("1234567", "1,234,567"),
        ("0.5", "0.50"),
        ("", "–"),  # noqa: RUF001
        ("0.31", "31 %"),
    ]


def luminance(color):
    channels = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """WCAG 2.2's contrast ratio of two colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


SCHEMES = [
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", (TEMPLATES / "page.css").read_text(), re.DOTALL)
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark", "print"])
def test_every_colour_of_words_stands_out_from_its_ground_by_4_5_to_1(scheme):
    for ground in ("paper", "card"):
        for words in ("ink", "faint", "accent", "warn"):
            assert contrast(scheme[words], scheme[ground]) >= 4.5, (words, ground)
    assert contrast(scheme["on-accent"], scheme["accent"]) >= 4.5
    assert contrast(scheme["ink"], scheme["mark"]) >= 4.5


def test_there_are_three_schemes_with_the_same_tokens():
    assert len(SCHEMES) == 3
    assert len({frozenset(scheme) for scheme in SCHEMES}) == 1


def test_no_line_breaks_between_a_number_and_its_unit_and_commands_stay_as_they_are():
    assert glue("53 % of 1.5 m, ± 0.3° (+3°, −5°), 4 people") == (  # noqa: RUF001
        "53\xa0% of 1.5\xa0m, ±\xa00.3° (+3°,\xa0−5°), 4 people"  # noqa: RUF001
    )
    code = Markup("<code>labelkit show 'set 5 m' 9</code> 5 mm")
    assert glue(code) == Markup("<code>labelkit show 'set 5 m' 9</code> 5\xa0mm")
    assert not isinstance(glue("<b> 5 %"), Markup)


def test_a_path_breaks_after_its_slashes_and_stays_text():
    assert breakable("p01/<b>/1400003.598.png") == Markup("p01/<wbr>&lt;b&gt;/<wbr>1400003.598.png")
