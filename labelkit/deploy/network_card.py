"""What stands next to an exported network: how its pictures are made, what its numbers mean, how far it errs.

NETWORK.json next to NETWORK.tflite, .onnx or .keras. It needs no Keras to be read, and names no participant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelkit.errors import RunError
from labelkit.files import sha256_of

SCHEMA: Literal["labelkit-network/1"] = "labelkit-network/1"
OUTPUT = "orientation"  # the name of a network's one output
SIGNATURE = "predict"  # of a LiteRT file: its inputs are named there, in any order

_MOST_BYTES = 2**20
_SHA256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
_INPUT = r"\A(rgb|depth)(128|64|32)\z"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkInput(_Part):
    """One picture that the network sees, as the dataset stores it; the normalisation is part of the network."""

    name: Annotated[str, Field(pattern=_INPUT)]
    shape: tuple[int, ...]  # of one picture: (S, S, 3) or (S, S)
    dtype: Literal["uint8", "uint16"]
    says: str


class CropRule(_Part):
    """How the square picture of the hand was cut for training."""

    rule: Literal["virtual-camera", "box"]
    margin: Annotated[float, Field(ge=0, le=1)]  # free border on each side, as a share of the hand's size
    says: str


class Origin(_Part):
    """The run that the network comes from."""

    run: str
    model: str
    parameters: int
    weights_sha256: _SHA256  # of the run's best.h5
    dataset_sha256: str


class AnswerCheck(_Part):
    """How far the file's answers are from Keras's, angle between normals on pictures that it was not trained on."""

    pictures: int
    largest_deg: float
    mean_deg: float
    limit_deg: float


class NetworkCard(_Part):
    """All that a program needs to know to use an exported network.

    Attributes:
        columns: of the output, (1, k) float32.
        errors: of validation and test, as the run's report.json has them; empty if the run has no report.
        check: None if the file was not compared with Keras.
        notes: in words: licence, what it was trained on, what to expect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal["labelkit-network/1"] = Field(SCHEMA, alias="schema")
    labelkit: str
    format: Literal["litert", "onnx", "keras"]
    weights: Literal["float32", "int8"]
    file_sha256: _SHA256
    origin: Origin
    inputs: tuple[NetworkInput, ...]
    output: str = OUTPUT
    columns: tuple[str, ...]
    loss: Literal["mae", "smooth-l1", "angular"]
    uncertainty: Literal["none", "gaussian", "laplace"]
    crop: CropRule
    conventions: tuple[str, ...]
    errors: dict[str, Any] = {}
    check: AnswerCheck | None = None
    notes: dict[str, Any] = {}

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the pictures, pixels, largest first."""
        return tuple(sorted({each.shape[0] for each in self.inputs}, reverse=True))

    @property
    def needs_depth(self) -> bool:
        """Whether a plain picture is not enough."""
        return any(each.name.startswith("depth") for each in self.inputs)

    def to_json(self) -> Mapping[str, Any]:
        """Give plain values for a JSON file."""
        return self.model_dump(mode="json", by_alias=True)


def card_path(network: Path) -> Path:
    """Say where the card of an exported network stands."""
    return network.with_name(f"{network.name}.json")


def read_card(network: Path) -> NetworkCard:
    """Read the card next to an exported network, and compare the network with it.

    Raises:
        RunError: network or card is missing or damaged, of another version, or they do not belong together.
    """
    path = card_path(network)
    try:
        found = sha256_of(network)
    except OSError as error:
        raise RunError(f"{network}: cannot be read ({error.strerror})") from None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"larger than {_MOST_BYTES:,} bytes")
        card = parse_card(path.read_bytes())
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}); it was written with {network.name} and belongs next to it"
        ) from None
    except ValueError as error:
        raise RunError(f"{path}: not the card of a network of this version ({error}); export again") from None
    if found != card.file_sha256:
        raise RunError(f"{network}: is not the file that {path.name} describes (other SHA-256); export again")
    return card


def parse_card(content: bytes) -> NetworkCard:
    """Read a card's content.

    Raises:
        ValueError: in one line, what is wrong.
    """
    stored = json.loads(content)
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    try:
        return NetworkCard.model_validate(stored)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def hash_content(content: bytes) -> str:
    """Hash a network's bytes, as a card states them."""
    return hashlib.sha256(content).hexdigest()
