"""What only people know about a dataset: its licence, consent, ethics approval and so on, as they state it.

The answers lie in card.toml in RAW, where a build reads them, and in the dataset's manifest. From there they come
into the dataset card (card.py). A key that nobody has answered is blank.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from labelkit.dataset.reading import read_at_most
from labelkit.errors import DatasetError, SettingsError, nearest

FILE_NAME = "card.toml"

_MOST_BYTES = 100_000
_MOST_CHARACTERS = 2000  # of an answer


def _in_one_line(text: str) -> str:
    """Turn line breaks and runs of spaces into single spaces, and refuse other control characters."""
    line = " ".join(text.split())
    if not line.isprintable():
        raise ValueError("holds a control character")
    if len(line) > _MOST_CHARACTERS:
        raise ValueError(f"has {len(line):,} characters; at most {_MOST_CHARACTERS:,} are stored")
    return line


def spdx_from_licence(text: str) -> str | None:
    """Give a licence as an SPDX expression in its usual spelling: CC-BY-4.0; None if it is free text."""
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


def _in_usual_spelling(text: str) -> str:
    return spdx_from_licence(text) or text


_Answer = Annotated[str, AfterValidator(_in_one_line)]


class CardAnswers(BaseModel):
    """Each question's answer, "" if it is blank; the titles are the questions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    licence: Annotated[_Answer, AfterValidator(_in_usual_spelling)] = Field("", title="Licence")
    contact: _Answer = Field("", title="Who recorded it, and whom to ask")
    place: _Answer = Field("", title="Where it was recorded")
    time_span: _Answer = Field("", title="When it was recorded")
    participants: _Answer = Field("", title="How participants were found, and who they are")
    consent: _Answer = Field("", title="Consent of the participants: to what, and how it is withdrawn")
    ethics: _Answer = Field("", title="Ethics approval: by whom, and its number")
    sensitive: _Answer = Field("", title="Personal or sensitive information")
    purpose: _Answer = Field("", title="What it is for, and what it must not be used for")
    citation: _Answer = Field("", title="How to cite it")

    def replace(self, stated: Mapping[str, str]) -> CardAnswers:
        """Return the answers with the keys in `stated` replaced; "" makes one blank."""
        return CardAnswers.model_validate({**self.model_dump(), **stated})


QUESTIONS: Mapping[str, str] = {key: str(field.title) for key, field in CardAnswers.model_fields.items()}


def check_answers(stated: Mapping[str, Any], origin: str) -> dict[str, str]:
    """Check some answers; return them as they are stored.

    Args:
        origin: where they come from, for messages.
    Raises:
        SettingsError: an unknown key (the message suggests the nearest one), or an answer that is no text.
    """
    for key in stated:
        if key not in QUESTIONS:
            raise SettingsError(f"{origin}: unknown key {key!r}; {nearest(key, QUESTIONS)}")
    try:
        checked = CardAnswers.model_validate(dict(stated)).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        says = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        raise SettingsError(f"{origin}: {first['loc'][0]}: {says}") from None
    return {key: checked[key] for key in stated}


def read_answers(folder: Path) -> dict[str, str]:
    """Read the keys that a folder's card.toml answers; none if there is no such file.

    Raises:
        SettingsError: it is not TOML, or holds an unknown key or no text.
        DatasetError: it cannot be read.
    """
    path = folder / FILE_NAME
    try:
        content = read_at_most(folder, FILE_NAME, _MOST_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        stated = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None
    return check_answers(stated, str(path))
