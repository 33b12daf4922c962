"""README.md of a dataset: what is in it, said to a person."""

from __future__ import annotations

from labelkit.dataset.manifest import Manifest

CARD_NAME = "README.md"


def card(manifest: Manifest) -> str:
    """Write the dataset card from the manifest; the same manifest, the same text."""
    m = manifest
    share = m.samples / m.frames if m.frames else 0.0
    participants = "\n".join(
        f"| {_cell(name)} | {entry.frames} | {entry.samples} |" for name, entry in m.participants.items()
    )
    rejected = "\n".join(f"| {reason} | {count} |" for reason, count in m.rejected.items()) or "| none | 0 |"
    return f"""# Hand orientation dataset

{m.samples} samples of {len(m.participants)} participants, from {m.frames} source frames ({share:.0%} became samples).
Made with labelkit {m.labelkit}; schema {m.schema_}; settings {m.settings_digest[:12]}.

Each sample is a colour crop of a hand at 128, 64 and 32 pixels with the unit normal of its {m.settings["region"]}
and the angles azimuth = arccos n_x, elevation = arccos n_y (degrees). `labels.parquet` has one row for every
source frame, with the reason where it was rejected; `manifest.json` lists every file with its SHA-256.

| participant | frames | samples |
| --- | --- | --- |
{participants}

| rejected because | frames |
| --- | --- |
{rejected}
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
