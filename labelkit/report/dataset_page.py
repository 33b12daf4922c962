"""The report of a dataset: what is in it, what is missing, and what deserves a second look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from labelkit.curation.alignment import describe_misfit
from labelkit.curation.coverage import Coverage, rank_groups
from labelkit.curation.doubts import TWIN_RMS, Turns, Twins, find_twins, jump_mask, spread, turns_between
from labelkit.curation.likeness import LEAST_SAMPLES, Likeness, Looks, colors_of, find_alike, palm_widths
from labelkit.dataset.manifest import AlignmentEntry, Manifest, ParticipantEntry, RecordingEntry
from labelkit.figures.layout import MINUS
from labelkit.records import ColorImage
from labelkit.report.coverage_page import SCRIPT, Groups, coverage_map, map_style
from labelkit.report.page import (
    Cell,
    Column,
    Section,
    Shown,
    breakable,
    data_block,
    data_url,
    facts,
    glue,
    note,
    page,
    read_template,
    table,
)
from labelkit.report.shown_samples import ShownSamples, thumbnail
from labelkit.report.tiles import NormalArrow, arrow_end, jpeg_of, tile, tiles
from labelkit.wording import number_of, percent

Numbers = NDArray[np.int64]

GALLERY = 1536  # crops in the gallery by cell, and
PER_CELL = 6  # of them in each cell, at most: 4 MB of the page
SHOWN = 24  # samples, or pairs, of each doubt
TWINS_AMONG = 20_000  # pictures compared with each other, evenly drawn: 10 s on two cores
LOOKED_AT = 32  # samples of each participant that say what they look like
PER_REASON = 6  # rejected frames shown for each reason

# Nobody turns a hand by this in that: over 100 degrees/s, from one frame to the next but two.
JUMP_DEG, JUMP_WITHIN_S = 20.0, 0.1

ReadColor = Callable[[str], ColorImage | None]


@dataclass(frozen=True)
class DatasetReport:
    """A report and what it found.

    Attributes:
        html: the page.
        jumps: samples that turned further since the one before than a hand does.
        twins: pairs of nearly the same picture in two recordings.
        leaks: those of them on two sides of the split.
        alike: pairs of participants who may be one person.
    """

    html: bytes
    jumps: int
    twins: int
    leaks: int
    alike: int


def dataset_report(
    name: str,
    manifest: Manifest,
    samples: ShownSamples,
    whole: Coverage,
    groups: Groups,
    *,
    frame: str,
    rejected: Sequence[Mapping[str, Any]],
    read_color: ReadColor | None,
) -> DatasetReport:
    """Make the report.

    Args:
        name: the dataset's.
        samples: the samples, with their cells.
        whole, groups: the coverage of all samples, and of `participant` and `split`.
        frame: the angles' frame, view or camera.
        rejected: of each rejected frame its participant, frame, color_frame, reason and detail.
        read_color: reads a colour picture by the name it has in the label table, None if it cannot; None
            if the recordings are not there.
    """
    turns = turns_between(samples.view_normals, samples.cells.stamps_s, samples.cells.recordings)
    jumps = np.flatnonzero(jump_mask(turns, turn_deg=JUMP_DEG, within_s=JUMP_WITHIN_S))
    compared = spread(np.arange(len(samples)), TWINS_AMONG)
    twins = find_twins(samples.grey(compared), samples.cells.recordings[compared])
    twins = Twins(compared[twins.pairs], twins.rms)
    sides = np.array([samples.split.get(name, "") for name in samples.cells.participants], dtype=str)
    leaks = _leaks(twins, sides)
    people, alike = _find_alike_people(samples)
    sections = [
        Section("Coverage", _coverage(samples, whole, groups, frame)),
        Section("What is in it", _overview(manifest, whole)),
        Section("Participants", _participants(manifest, groups["participant"], samples.split)),
        Section("Recordings", _recordings(manifest)),
        Section("Worst fits", _rank_tiles(samples, "plane_rms", "{:.1f} mm"), lead=_FITS_LEAD),
        Section("Uncertain labels", _rank_tiles(samples, "normal_sd", "± {:.1f}°"), lead=_UNCERTAIN_LEAD),
        Section("Sudden jumps", _jumps(samples, turns, jumps), lead=_JUMPS_LEAD),
        Section("Near duplicates", _twins(samples, whole, twins, len(compared)), lead=_TWINS_LEAD),
        Section("Leakage between splits", _leakage(samples, groups, leaks, sides), lead=_LEAKAGE_LEAD),
        Section("Alike participants", _alike(samples, people, alike), lead=_ALIKE_LEAD),
        Section("Rejections", _rejections(manifest, rejected, read_color)),
        Section("How it was made", _provenance(manifest)),
    ]
    html = page(
        name,
        sections,
        lead=f"{manifest.samples_of_whom()}, from {number_of(manifest.frames, 'source frame')}",
        style=map_style(whole.target) + read_template("report.css"),
        script=SCRIPT + read_template("report.js"),
    )
    return DatasetReport(html, len(jumps), len(twins.pairs), len(leaks.pairs), len(alike.pairs))


_COVERAGE_LEAD = (
    "How many distinct samples there are of each orientation of the hand. Choose a cell, by pointer or by arrow keys "
    "and Enter, to see its samples; the line on each crop is the normal of its label."
)
_FITS_LEAD = "The samples whose points lie furthest from their plane (rms of the inliers). The worst first."
_UNCERTAIN_LEAD = "The samples whose labels are least certain: one standard deviation of the normal's direction."
_JUMPS_LEAD = (
    f"Samples that turned by {JUMP_DEG:g} degrees or more within {JUMP_WITHIN_S:g} s of the one before in their "
    "recording. Hands seldom do; if the crops look alike, one of the two labels is wrong."
)
_TWINS_LEAD = (
    f"Pairs of pictures in different recordings that differ by less than {TWIN_RMS:g} grey levels (rms, 32 x 32 "
    "pixels): the same recording under two names, most likely."
)
_LEAKAGE_LEAD = (
    "A test is worth something only on people the network has never met. The sides are those of a training with the "
    "default settings, or of the run that was named."
)

_ALIKE_LEAD = (
    "Participants whose hands, sleeves (or bare arms) and rooms have the same colours, whose palms are equally wide, "
    "and whose recordings are at most an hour apart, if their stamps are dates: perhaps one person under two names. "
    "Look at the crops: other people in the same room and light can be this alike, too."
)


def _share(part: int, whole: int) -> Shown:
    return Shown(percent(part / whole), part / whole) if whole else Shown("–", None)  # noqa: RUF001


def _share_of_rejected(entry: Manifest | ParticipantEntry | RecordingEntry) -> Shown:
    return _share(entry.frames - entry.samples, entry.frames)


def _with_sign(angle: float) -> str:
    return f"{angle:+z.0f}°".replace("-", MINUS)


def _overview(manifest: Manifest, whole: Coverage) -> Markup:
    body = facts(
        {
            "samples": f"{manifest.samples:,}",
            "distinct samples": f"{whole.distinct:,}",
            "participants": f"{sum(one.samples > 0 for one in manifest.participants.values()):,}",
            "recordings": f"{len(manifest.recordings):,}",
            "source frames": f"{manifest.frames:,}",
            "rejected": _share_of_rejected(manifest).words,
            f"cells with {whole.target:,} or more": percent(whole.filled_share),
        }
    )
    if not manifest.samples:
        body += note("No frame became a sample; the rejections below say why.", warning=True)
    if lonely := [name for name, entry in manifest.participants.items() if not entry.samples]:
        body += note(f"No sample of: {', '.join(lonely)}.", warning=True)
    return body


def _coverage(samples: ShownSamples, whole: Coverage, groups: Groups, frame: str) -> Markup:
    reachable = np.flatnonzero(whole.cells.reachable_mask)
    most = max(1, min(PER_CELL, GALLERY // len(reachable)))
    index = samples.cells.index
    order = np.argsort(index, kind="stable")
    of_cells = np.split(order, np.searchsorted(index[order], np.arange(whole.cells.side**2 + 1)))[1:]
    chosen = [spread(of_cells[cell][samples.cells.distinct[of_cells[cell]]], most) for cell in reachable]
    return (
        coverage_map(whole, frame, groups)
        + Markup("<p>{}</p>\n").format(_COVERAGE_LEAD)
        + Markup('<div class="chosen" aria-live="polite"></div>\n')
        + data_block("gallery-data", [[_gallery_entry(samples, k) for k in numbers] for numbers in chosen])
    )


def _gallery_entry(samples: ShownSamples, number: int) -> list[Any]:
    (crop,) = samples.crops(np.array([number]))
    x, y = arrow_end(samples.view_normals[number])
    return [data_url(jpeg_of(crop), "jpeg"), x, y, _caption(samples, number)]


def _caption(samples: ShownSamples, number: int) -> str:
    azimuth, elevation = 90.0 - samples.column("view_azimuth")[number], 90.0 - samples.column("view_elevation")[number]
    return f"{samples.column('frame')[number]} ({_with_sign(azimuth)}, {_with_sign(elevation)})"


def _sample_tile(samples: ShownSamples, number: int, words: str = "") -> Markup:
    (crop,) = samples.crops(np.array([number]))
    caption = _caption(samples, number)
    return tile(
        crop,
        [NormalArrow(samples.view_normals[number])],
        alt=f"crop of {caption}",
        caption=Markup("<b>{}</b> {}").format(glue(words), breakable(caption)) if words else breakable(caption),
    )


def _rank_tiles(samples: ShownSamples, column: str, form: str) -> Markup:
    values = samples.column(column)
    known = np.flatnonzero(np.isfinite(values))
    worst = known[np.argsort(-values[known], kind="stable")][:SHOWN]
    if not len(worst):
        return note("The label table does not say.")
    middle, ninth = np.quantile(values[known], [0.5, 0.95])
    words = f"Half of all samples are under {form.format(middle)}, 95 % under {form.format(ninth)}."
    return note(words) + tiles([_sample_tile(samples, k, form.format(values[k])) for k in worst.tolist()])


def _pair(samples: ShownSamples, one: int, other: int, words: str) -> Markup:
    return Markup('<li class="pair"><p><b>{}</b></p>{}</li>').format(
        words, tiles([_sample_tile(samples, one), _sample_tile(samples, other)])
    )


def _pairs(shown: Sequence[Markup]) -> Markup:
    return Markup('<ul class="pairs">{}</ul>\n').format(Markup("").join(shown))


def _jumps(samples: ShownSamples, turns: Turns, jumps: Numbers) -> Markup:
    if not len(jumps):
        return note("None.")
    worst = jumps[np.argsort(-turns.turn_deg[jumps], kind="stable")][:SHOWN]
    return note(f"{number_of(len(jumps), 'jump')}; the widest first.") + _pairs(
        [
            _pair(samples, k - 1, k, f"{turns.turn_deg[k]:.0f}° in {turns.pause_s[k] * 1000:.0f} ms")
            for k in worst.tolist()
        ]
    )


def _twins(samples: ShownSamples, whole: Coverage, twins: Twins, compared: int) -> Markup:
    words = f"Within their recordings {number_of(whole.repeats, 'sample')} repeat one just before and do not count."
    if compared < len(samples):
        words += f" Of {len(samples):,} pictures {compared:,}, evenly drawn, were compared across recordings."
    body = note(words)
    if not len(twins.pairs):
        return body + note("No pair in different recordings.")
    return (
        body
        + note(f"{number_of(len(twins.pairs), 'pair')} in different recordings; the likest first.", warning=True)
        + _twin_pairs(samples, twins)
    )


def _twin_pairs(samples: ShownSamples, twins: Twins) -> Markup:
    shown = zip(twins.pairs[:SHOWN].tolist(), twins.rms.tolist(), strict=False)
    return _pairs([_pair(samples, one, other, f"{rms:.1f} grey levels") for (one, other), rms in shown])


def _leaks(twins: Twins, sides: NDArray[np.str_]) -> Twins:
    one, other = sides[twins.pairs].T if len(twins.pairs) else (np.array([], str), np.array([], str))
    across = (one != other) & (one != "") & (other != "")
    return Twins(twins.pairs[across], twins.rms[across])


def _leakage(samples: ShownSamples, groups: Groups, leaks: Twins, sides: NDArray[np.str_]) -> Markup:
    splits = groups["split"]
    if not splits:
        return note("Too few participants for a split: it needs samples of three.")
    crossing = Counter(side for pair in leaks.pairs.tolist() for side in sides[pair].tolist())
    rows: list[list[Cell]] = [
        [
            side,
            sum(of == side for of in samples.split.values()),
            coverage.samples,
            coverage.distinct,
            Shown(percent(coverage.filled_share), coverage.filled_share),
            Shown(percent(coverage.started_share), coverage.started_share),
            crossing[side],
        ]
        for side, coverage in splits.items()
    ]
    columns = [Column("side"), *(Column(title, numeric=True) for title in ("participants", "samples", "distinct"))]
    columns += [Column(title, numeric=True) for title in ("cells full", "cells started", "twins on another side")]
    body = table(columns, rows, caption="The sides of the split")
    alike = _find_alike_names(samples.split)
    if alike:
        words = ", ".join(f"{one!r} ({samples.split[one]}) and {two!r} ({samples.split[two]})" for one, two in alike)
        body += note(f"These names may be the same person on two sides: {words}.", warning=True)
    if not len(leaks.pairs):
        return body + note("No picture on one side has a near duplicate on another.")
    return (
        body
        + note(f"{number_of(len(leaks.pairs), 'pair')} of near duplicates on two sides.", warning=True)
        + _twin_pairs(samples, leaks)
    )


def _find_alike_people(samples: ShownSamples) -> tuple[list[str], Likeness]:
    """Compare all participants of enough samples; return their names, which the pairs number, and the pairs."""
    names, looks, times_s = [], [], []
    for name in sorted(set(samples.cells.participants.tolist())):
        here = np.flatnonzero(samples.cells.participants == name)
        if len(here) >= LEAST_SAMPLES:
            names.append(name)
            looks.append(looks_of(samples, spread(here, LOOKED_AT)))
            times_s.append(_times_of(samples, here))
    colors, palms = zip(*looks, strict=True) if looks else ((), ())
    return names, find_alike(Looks(np.array(colors).reshape(-1, 3, 3), np.array(palms)), times_s)


def looks_of(samples: ShownSamples, numbers: Numbers) -> tuple[NDArray[np.float64], float]:
    """Measure what the person of these samples looks like: (3, 3) colours, and the logarithm of the palm's width."""
    colors = colors_of(samples.crops(numbers), samples.column("in_plane")[numbers])
    focal_px = np.sqrt(samples.intrinsics(numbers)[:, :2].prod(axis=1))
    points, distance_m = (samples.column(name)[numbers] for name in ("points", "distance"))
    widths_m = palm_widths(points, focal_px, distance_m, samples.view_normals[numbers, 2])
    return np.median(colors, axis=0), float(np.median(np.log(widths_m)))


def _times_of(samples: ShownSamples, numbers: Numbers) -> NDArray[np.float64]:
    stamps_s, recordings = samples.column("stamp")[numbers], samples.cells.recordings[numbers]
    each = [stamps_s[recordings == recording] for recording in np.unique(recordings)]
    return np.array([(one.min(), one.max()) for one in each])


def _alike(samples: ShownSamples, names: Sequence[str], alike: Likeness) -> Markup:
    if not len(alike.pairs):
        return note("None.")
    count = note(f"{number_of(len(alike.pairs), 'pair')}; the likest first.", warning=True)
    return count + _pairs([_alike_pair(samples, names, alike, k) for k in range(len(alike.pairs))][:SHOWN])


def _alike_pair(samples: ShownSamples, names: Sequence[str], alike: Likeness, number: int) -> Markup:
    one, other = (names[k] for k in alike.pairs[number].tolist())
    hand, sleeve, room, palm = alike.differences[number].tolist()
    minutes = alike.apart_s[number] / 60.0
    words = (
        f"{one} and {other}: colours differ by {hand:.0f} (hand), {sleeve:.0f} (sleeve), {room:.0f} (room), palms by "
        f"{percent(np.expm1(palm))}"
    )
    words += f", {minutes:.0f} min apart" if np.isfinite(minutes) else ""
    if samples.split.get(one, "") != samples.split.get(other, ""):
        words += f"; on two sides of the split ({samples.split.get(one)}, {samples.split.get(other)})"
    return _pair(samples, _frontal_of(samples, one), _frontal_of(samples, other), words)


def _frontal_of(samples: ShownSamples, name: str) -> int:
    here = np.flatnonzero(samples.cells.participants == name)
    return int(here[samples.view_normals[here, 2].argmin()])


def _find_alike_names(split: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find names on different sides that differ in case, spaces and signs only."""
    seen: dict[str, list[str]] = {}
    for name in split:
        seen.setdefault("".join(c for c in name.casefold() if c.isalnum()), []).append(name)
    return [
        (one, two)
        for names in seen.values()
        for k, one in enumerate(names)
        for two in names[k + 1 :]
        if split[one] != split[two]
    ]


def _participants(manifest: Manifest, coverages: Mapping[str, Coverage], split: Mapping[str, str]) -> Markup:
    rows = []
    for name, c in rank_groups(coverages):
        entry = manifest.participants[name]
        rows.append(
            [
                name,
                split.get(name),
                entry.frames,
                entry.samples,
                _share_of_rejected(entry),
                c.distinct,
                Shown(percent(c.filled_share), c.filled_share),
                Shown(percent(c.started_share), c.started_share),
                c.entropy_share,
                c.gini,
                c.emptiest.region if c.emptiest else "nowhere",
            ]
        )
    numeric = ("frames", "samples", "rejected", "distinct", "cells full", "cells started", "entropy", "Gini")
    columns = [Column("participant"), Column("side"), *(Column(title, numeric=True) for title in numeric)]
    return table([*columns, Column("emptiest")], rows, caption="What each participant brings, the best covered first")


def _recordings(manifest: Manifest) -> Markup:
    rows = [
        [
            r.name,
            r.participant,
            r.layout,
            r.sensor,
            r.handedness,
            r.frames,
            r.samples,
            _share(r.frames - r.samples, r.frames),
            _alignment(r.alignment),
        ]
        for r in manifest.recordings
    ]
    columns = [Column(title) for title in ("recording", "participant", "layout", "sensor", "hand")]
    columns += [Column(title, numeric=True) for title in ("frames", "samples", "rejected")]
    columns += [Column("colour on depth")]
    found = [
        (r.name, describe_misfit(r.alignment.fit, r.alignment.shift_px)) for r in manifest.recordings if r.alignment
    ]
    warnings = Markup("").join(note(f"{name}: {words}.", warning=True) for name, words in found if words)
    return warnings + table(columns, rows, caption="The recordings it was made from")


def _alignment(found: AlignmentEntry | None) -> str:
    if found is None or found.shift_px is None:
        return found.fit if found else ""
    return f"{found.fit} ({found.shift_px[0]:+d}, {found.shift_px[1]:+d} px)".replace("-", MINUS)


def _rejections(manifest: Manifest, rejected: Sequence[Mapping[str, Any]], read_color: ReadColor | None) -> Markup:
    if not rejected:
        return note("No frame was rejected.")
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for row in rejected:
        by_reason.setdefault(row["reason"], []).append(row)
    reasons = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = []
    for reason, frames in reasons:
        most, times = Counter(row["participant"] for row in frames).most_common(1)[0]
        rows.append(
            [reason, len(frames), _share(len(frames), manifest.frames), f"{most} ({times:,})", frames[0]["detail"]]
        )
    columns = [Column("reason"), Column("frames", numeric=True), Column("of all frames", numeric=True)]
    body = table([*columns, Column("most often"), Column("for instance")], rows, caption="Rejected frames by reason")
    if read_color is None:
        return body + note("To see rejected frames, make the report with --raw and the folder of the recordings.")
    for reason, frames in reasons:
        body += Markup("<h3>{}</h3>\n").format(f"{reason}: {number_of(len(frames), 'frame')}")
        shown = _tiles_of_rejected(frames, read_color)
        body += tiles(shown) if shown else note("None of them has a picture that can be read.")
    return body


def _tiles_of_rejected(frames: Sequence[Mapping[str, Any]], read_color: ReadColor) -> list[Markup]:
    shown = []
    for number in spread(np.arange(len(frames)), PER_REASON).tolist():
        row = frames[number]
        picture = read_color(row["color_frame"]) if row["color_frame"] else None
        if picture is not None:
            caption = f"{row['frame']}: {row['detail'] or row['reason']}"
            shown.append(tile(thumbnail(picture, 160), alt=f"rejected frame {row['frame']}", caption=caption))
    return shown


def _provenance(manifest: Manifest) -> Markup:
    settings = [[key.replace("_", "-"), str(value)] for key, value in manifest.settings.items()]
    versions = [[key, value] for key, value in manifest.versions.items()]
    return table([Column("setting"), Column("value")], settings, caption="Settings of the build", shown=50) + table(
        [Column("library"), Column("version")], versions, caption="Versions", shown=50
    )
