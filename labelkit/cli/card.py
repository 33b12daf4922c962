"""labelkit card DATASET"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import json_flag, quiet_flag, show
from labelkit.errors import SettingsError
from labelkit.wording import number_of, shell_command

if TYPE_CHECKING:
    from labelkit.workflows.card import StatedCard

_WIDTH = 80
_KEY = 14  # of a line: "participants  "


@click.command("card")
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option("--set", "pairs", multiple=True, metavar="KEY=ANSWER", help="State an answer, or clear it; repeatable.")
@json_flag
@quiet_flag
def command(dataset: Path, pairs: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Say what people have stated about DATASET: licence, consent, contact, and what is blank.

    --set licence=CC-BY-4.0 states an answer; --set licence= makes it blank. The dataset card, croissant.json
    and the manifest change together; samples and labels do not, and runs still find their dataset.
    """
    from labelkit.workflows.card import card

    result = card(dataset, dict(_split_pair(pair) for pair in pairs))
    show(result, as_json=as_json, quiet=quiet, text=lambda: "\n".join(_lines(result)))


def _split_pair(pair: str) -> tuple[str, str]:
    key, sign, answer = pair.partition("=")
    if not sign:
        raise SettingsError(f"--set {pair}: is not KEY=ANSWER, such as licence=CC-BY-4.0")
    return key, answer


def _lines(result: StatedCard) -> Iterator[str]:
    kind = "no recording is simulated"
    if result.simulated:
        kind = f"{result.simulated} of {number_of(result.recordings, 'recording')} simulated: no person in it"
    yield f"{result.dataset}: {len(result.answers) - len(result.blank)} of {len(result.answers)} answered; {kind}"
    for key, answer in result.answers.items():
        if key == "licence" and answer and result.spdx is None:
            answer += " (free text: no licence that SPDX lists)"
        yield from textwrap.wrap(
            answer or "(blank)", _WIDTH, initial_indent=f"{key:<{_KEY}}", subsequent_indent=" " * _KEY
        )
    if result.changed:
        yield f"changed: {', '.join(result.changed)}"
    if result.blank:
        yield f"state the others with: {shell_command('card', result.dataset, '--set', f'{result.blank[0]}=...')}"
