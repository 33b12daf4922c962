"""The dataset card: what people have stated about a dataset, and what is still blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labelkit.building.staging import Stage
from labelkit.dataset.answers import QUESTIONS, check_answers, spdx_from_licence
from labelkit.dataset.lock import hold_dataset
from labelkit.dataset.log import log
from labelkit.dataset.manifest import BUILD_NAME, MANIFEST_NAME, read_manifest
from labelkit.dataset.withdrawal import refuse_withdrawn


@dataclass(frozen=True)
class StatedCard:
    """What is stated on a dataset's card.

    Attributes:
        answers: key -> answer, "" if it is blank.
        spdx: the licence as an SPDX expression; None if it is free text, or blank.
        recordings, simulated: how many recordings there are, and how many of them show no person.
        changed: the keys that were changed now.
    """

    dataset: str
    answers: dict[str, str]
    spdx: str | None
    recordings: int
    simulated: int
    changed: tuple[str, ...]

    @property
    def blank(self) -> tuple[str, ...]:
        """The keys that nobody has answered."""
        return tuple(key for key, answer in self.answers.items() if not answer)


def card(dataset: Path | str = "dataset", answers: Mapping[str, str] | None = None) -> StatedCard:
    """Say what people have stated about a dataset, and state more.

    The answers are stored in manifest.json, README.md and croissant.json, with new hashes; shards and labels stay as
    they are, so that runs still find their dataset. A change that was interrupted is finished first.

    Args:
        answers: key -> answer; "" makes a key blank. The keys are those of card.toml.
    Raises:
        SettingsError: an unknown key, or an answer that cannot be stored.
        DatasetError: no dataset, an unfinished or a changed one.
        OutputExistsError: a build is at work in the dataset's folder, or was begun there.
        OutputError: no space or no permission; the same call goes on from there.
    """
    folder = Path(dataset)
    stated = check_answers(answers or {}, "card")
    changed: tuple[str, ...] = ()
    if (folder.is_dir() and stated) or (folder / BUILD_NAME / MANIFEST_NAME).exists():
        with hold_dataset(folder):
            changed = _change(folder, stated)
    manifest = read_manifest(folder)
    return StatedCard(
        str(dataset),
        manifest.answers.model_dump(),
        spdx_from_licence(manifest.answers.licence),
        len(manifest.recordings),
        sum(recording.simulated for recording in manifest.recordings),
        changed,
    )


def _change(folder: Path, stated: Mapping[str, str]) -> tuple[str, ...]:
    refuse_withdrawn(folder, ())
    stage = Stage(folder)
    stage.publish()
    before = read_manifest(folder).answers
    after = before.replace(stated)
    changed = tuple(key for key in QUESTIONS if getattr(before, key) != getattr(after, key))
    if not changed and stage.plan() is None:
        stage.clear()  # left by a change that was killed at its very end
    if changed:
        stage.change_answers(after)
        log(folder, f"the card was changed: {', '.join(changed)}")
    return changed
