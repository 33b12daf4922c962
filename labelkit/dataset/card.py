"""The dataset card: README.md for people, croissant.json for programs.

What only people know comes from their answers (answers.py), and is blank without one.

Both are functions of the manifest and the label table, and the manifest holds their hashes.
Croissant is MLCommons' format for describing datasets (Akhtar et al. 2024, arXiv 2403.19546).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from labelkit.curation.wording import findings
from labelkit.dataset.answers import QUESTIONS, CardAnswers, spdx_from_licence
from labelkit.dataset.manifest import CARD_NAME, CROISSANT_NAME, Manifest
from labelkit.dataset.sample_cells import sample_cells
from labelkit.dataset.table import COLUMNS, TABLE_NAME
from labelkit.settings import CoverageSettings
from labelkit.wording import number_of

BLANK = "(blank: for those who recorded this dataset to state)"

# The properties of croissant.json that hold the answers; "contact" is the name of the creator.
_PROPERTIES = {
    "place": "spatialCoverage",
    "time_span": "rai:dataCollectionTimeframe",
    "participants": "rai:dataCollection",
    "consent": "rai:dataReleaseMaintenancePlan",
    "ethics": "rai:dataSocialImpact",
    "sensitive": "rai:personalSensitiveInformation",
    "purpose": "rai:dataUseCases",
    "citation": "citeAs",
}

# The columns of the label table that the card needs: all rows are read, and a table may be large.
CARD_COLUMNS = ["participant", "recording", "status", "stamp", "view_azimuth", "view_elevation"]


def report_path(folder: Path) -> Path:
    """Name the default file of the report about a dataset: next to its folder, and named after it."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}-report.html")


def card_files(manifest: Manifest, table: pa.Table) -> dict[str, bytes]:
    """Write the card: file name -> content. The same manifest and table give the same bytes.

    Args:
        manifest: with the hashes of the shards and the label table.
        table: CARD_COLUMNS of the label table.
    """
    covered = findings(sample_cells(table, CoverageSettings()).whole())
    return {
        CARD_NAME: readme(manifest, covered).encode(),
        CROISSANT_NAME: (json.dumps(croissant(manifest), indent=1, ensure_ascii=False) + "\n").encode(),
    }


def readme(manifest: Manifest, covered: list[str]) -> str:
    """Write README.md.

    Args:
        covered: the coverage of orientation space, in sentences.
    """
    m = manifest
    share = m.samples / m.frames if m.frames else 0.0
    sensors = sorted({recording.sensor or "not stated" for recording in m.recordings})
    return f"""# Hand orientation dataset

{_summary(m)} {share:.0%} of the source frames became samples.
Made with labelkit {m.labelkit}; schema {m.schema_}; settings {m.settings_digest[:12]}; sensors: {", ".join(sensors)}.

## What a sample is

A colour crop of a hand at 128, 64 and 32 pixels with the unit normal of its {m.settings.get("region", "palm")} and the
angles azimuth = arccos n_x, elevation = arccos n_y (degrees), in the camera's frame and in that of the viewing ray. The
normal is measured from depth, with its covariance. Left hands are mirrored to right hands, and marked.

`labels.parquet` has one row for every source frame, with the reason if it was rejected; `manifest.json` lists
every file with its SHA-256. Splits go by participant: neighbouring frames are near-copies.

## Coverage

In cells of {CoverageSettings().cell_deg:g} degrees over the disc of {CoverageSettings().reach_deg:g} degrees about a \
hand that faces the camera, in the viewing ray's frame:

{_list_from_lines(covered)}

## Participants

{_table_from_rows(["participant", "frames", "samples"], [[n, e.frames, e.samples] for n, e in m.participants.items()])}

## Rejected frames

{_table_from_rows(["rejected because", "frames"], list(m.rejected.items()) or [("none", 0)])}

## Consent, ethics, licence

labelkit cannot know these, and makes nothing up. State them in `card.toml` in the folder of recordings, or with
`labelkit card DATASET --set KEY=ANSWER`; the manifest holds the hash of this page, so that an edit by hand counts as
damage.

{_table_from_rows(["key", "question", "answer"], _rows_from_answers(m.answers))}
"""


def _summary(m: Manifest) -> str:
    simulated = sum(recording.simulated for recording in m.recordings)
    if not simulated:
        kind = ""
    elif simulated == len(m.recordings):
        kind = " All of it is simulated: no person was recorded."
    else:
        kind = f" {simulated} of {number_of(len(m.recordings), 'recording')} are simulated: they show no person."
    return f"{m.samples_of_whom()}, from {number_of(m.frames, 'source frame')}.{kind}"


def _rows_from_answers(answers: CardAnswers) -> list[list[str]]:
    return [[key, QUESTIONS[key], answer or BLANK] for key, answer in answers.model_dump().items()]


def _list_from_lines(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table_from_rows(heads: list[str], rows: list[Any]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(str(cell)) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Escape a name so that it is plain text: no table cell, no link, no HTML."""
    plain = "".join(c if c.isprintable() else " " for c in text).replace("\\", "\\\\")
    for sign in "|[]<>*_`":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def croissant(manifest: Manifest) -> dict[str, Any]:
    """Describe the dataset in Croissant: its files, and the columns of the label table."""
    table = manifest.files[TABLE_NAME]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "hand-orientation",
        "description": f"Hands as a colour camera sees them, labelled with their orientation. {_summary(manifest)}",
        "version": f"0.0.0+{manifest.settings_digest[:12]}",
        **({"keywords": ["simulated"]} if any(recording.simulated for recording in manifest.recordings) else {}),
        **{name: getattr(manifest.answers, key) or BLANK for key, name in _PROPERTIES.items()},
        "license": _license_from_answer(manifest.answers.licence),
        "creator": {"@type": "sc:Organization", "name": manifest.answers.contact or BLANK},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": TABLE_NAME,
                "name": TABLE_NAME,
                "description": "one row for every source frame: sample or rejection, with why",
                "contentUrl": TABLE_NAME,
                "contentSize": f"{table.bytes} B",
                "encodingFormat": "application/x-parquet",
                "sha256": table.sha256,
            },
            {
                "@type": "cr:FileSet",
                "@id": "shards",
                "name": "shards",
                "description": "the samples: pictures, normals and fits (manifest.json has each file's SHA-256)",
                "encodingFormat": "application/x-hdf5",
                "includes": "shards/*.h5",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "frames",
                "name": "frames",
                "description": "the label table",
                "field": [_field(field) for field in COLUMNS],
            }
        ],
    }


def _license_from_answer(licence: str) -> str:
    """Give the address of a licence that SPDX lists; Croissant asks for one. Other words stay as they are."""
    spdx = spdx_from_licence(licence)
    return f"https://spdx.org/licenses/{spdx}.html" if spdx and " " not in spdx else licence or BLANK


def _field(field: pa.Field) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"frames/{field.name}",
        "name": field.name,
        "dataType": _DATA_TYPES[str(field.type)],
        "source": {"fileObject": {"@id": TABLE_NAME}, "extract": {"column": field.name}},
    }


_DATA_TYPES = {
    "string": "sc:Text",
    "double": "sc:Float",
    "float": "sc:Float",
    "int32": "sc:Integer",
    "bool": "sc:Boolean",
}

# The context from the format's specification, word for word, with the extension for responsible AI.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
