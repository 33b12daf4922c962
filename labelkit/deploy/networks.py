"""Find the network that answers: the one that ships with labelkit, an exported file, or a run, converted once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from labelkit.deploy.network_card import NetworkCard, card_path, parse_card, read_card
from labelkit.errors import LabelkitError, RunError
from labelkit.files import make_folder, sha256_of
from labelkit.import_path import safe_environment
from labelkit.runs.folder import BEST, FOREST_FILE, STATE, read_state

log = logging.getLogger(__name__)

_SHIPPED = "hand.tflite"
_EXPORTED = "network.tflite"
_SUFFIX = ".tflite"


@dataclass(frozen=True, eq=False)
class FoundNetwork:
    """A LiteRT network and its card.

    Attributes:
        name: the file, or "the network that ships with labelkit".
    """

    name: str
    card: NetworkCard
    content: bytes


def names_network(path: Path) -> bool:
    """Whether a path is a run folder or an exported network, and not a picture."""
    return (path / STATE).is_file() or path.suffix in (_SUFFIX, ".onnx", ".keras")


def find_network(run: Path | None) -> FoundNetwork:
    """Find a network; a run is converted by a process of its own, once, and kept.

    Args:
        run: a run folder, or a file of `labelkit export --to litert`; None: the network that ships with labelkit.
    Raises:
        RunError: no run, one that cannot be converted, or no LiteRT file.
    """
    if run is None:
        folder = files("labelkit.deploy")
        card = parse_card((folder / f"{_SHIPPED}.json").read_bytes())
        return FoundNetwork("the network that ships with labelkit", card, (folder / _SHIPPED).read_bytes())
    if run.suffix in (".onnx", ".keras"):
        raise RunError(f"{run}: predict runs LiteRT files; export the run with --to litert, or name the run itself")
    path = run if run.suffix == _SUFFIX else _export_once(run)
    return FoundNetwork(str(run), read_card(path), path.read_bytes())


def _export_once(run: Path) -> Path:
    """Give the run's exported network, of the weights it has now; convert them if there is none."""
    read_state(run)
    if (run / FOREST_FILE).is_file():
        raise RunError(f"{run}: is a forest, not a network; predict takes networks")
    if not (run / BEST).is_file():
        raise RunError(f"{run}: has no weights yet ({BEST}); wait for its first epoch, or train again")
    digest = sha256_of(run / BEST)
    places = [run / _EXPORTED, _cache() / f"{digest[:32]}{_SUFFIX}"]
    for path in places:
        if _is_of(path, digest):
            return path
    path = places[0] if os.access(run, os.W_OK) else places[1]
    make_folder(path.parent)
    log.info("%s: converting its network for LiteRT, once; this takes some seconds", run)
    command = [sys.executable, "-m", "labelkit", "export", str(run), "--to", "litert", "--out", str(path), "--quiet"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LABELKIT_EXPORT_")}
    done = subprocess.run(command, env=environment | safe_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RunError(said.partition(": error: ")[2] or f"{run}: its network could not be converted ({said})")
    return path


def _is_of(path: Path, weights_sha256: str) -> bool:
    """Whether an exported network is there, whole, and of these weights."""
    if not path.is_file() or not card_path(path).is_file():
        return False
    try:
        return read_card(path).origin.weights_sha256 == weights_sha256
    except LabelkitError:
        return False  # damaged, or of another version: it is made again


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labelkit" / "networks"
