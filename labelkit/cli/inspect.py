"""labelkit inspect RAW"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import InspectSettings
from labelkit.wording import number_of, shell_command

if TYPE_CHECKING:
    from labelkit.curation.alignment import Alignment
    from labelkit.workflows.inspect import DepthSeen, Inspection, Pace, RecordingReport

HAS_PROBLEMS = 2

_WIDTH = 80
_LABEL = 14  # of a line: "  participant   "
_VALUE = 30  # of a value; its origin comes after it


@click.command("inspect")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Draft a recording.toml if facts are missing; never change one.")
@settings_flags(InspectSettings)
@click.pass_context
def command(ctx: click.Context, raw: Path, write: bool, settings: InspectSettings, as_json: bool, quiet: bool) -> None:
    """Say what each recording below RAW is: layout, sensor, units, calibration, frames, gaps.

    If facts are missing, it prints the lines to add to recording.toml, and the exit code is 2.
    """
    from labelkit.workflows.inspect import inspect

    result = inspect(raw, settings, write=write)
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))
    if result.problems:
        ctx.exit(HAS_PROBLEMS)


def _text(result: Inspection) -> str:
    said: dict[tuple[str, str], str] = {}
    blocks = ["\n".join(_lines(report, said)) for report in result.recordings]
    if result.doubts or result.unread:
        blocks.append("\n".join(_doubts_and_losses(result)))
    blocks.append("\n".join(_summary(result)))
    return "\n\n".join(blocks)


def _lines(report: RecordingReport, said: dict[tuple[str, str], str]) -> Iterator[str]:
    yield from _fold(f"{report.name}: {_frames(report)}", indent="  ")
    if report.layout:
        yield from _facts(report)
    for note in report.notes:
        yield from _wrap("note", note)
    for problem in report.problems:
        yield from _wrap("problem", problem)
    if report.add:
        before = said.setdefault((report.add_to, report.add), report.name)
        if before == report.name:
            yield from _wrap("add to", f"{report.add_to}:")
            yield textwrap.indent(report.add, " " * 6)
        else:
            yield from _wrap("add", f"the lines that {before} lacks, to the same file")


def _frames(report: RecordingReport) -> str:
    if not report.layout:
        return "no recording"
    parts = [number_of(report.frames, "frame")]
    if report.pairs < report.frames:
        parts.append(number_of(report.pairs, "pair"))
    if report.without_color:
        parts.append(f"{report.without_color} without colour")
    if report.without_depth:
        parts.append(f"{report.without_depth} without depth")
    return ", ".join(parts)


def _facts(report: RecordingReport) -> Iterator[str]:
    shown = {
        "layout": report.layout,
        "participant": report.participant,
        "handedness": report.handedness,
        "sensor": report.sensor,
        "depth unit": None if report.depth_unit_m is None else f"{report.depth_unit_m:g} m",
        "registered": None if report.registered is None else "yes" if report.registered else "no",
        "intrinsics": _camera(report.intrinsics),
        "colour camera": _camera(report.color_intrinsics) if report.color_intrinsics else None,
        "hand within": "{:g} to {:g} m".format(*report.range_m) if report.range_m else None,
    }
    keys = {
        "depth unit": "depth_unit_m",
        "hand within": "range_m",
        "colour camera": "color_intrinsics",
    }
    for label, value in shown.items():
        if value is not None:
            origin = report.stated.get(keys.get(label, label), "files found" if label == "layout" else "")
            yield from _wrap(label, f"{value:<{_VALUE}}  {origin}".rstrip())
    yield from _wrap("pictures", _pictures(report))
    if report.depth:
        yield from _wrap("depth seen", _depth(report.depth, report.depth_unit_m))
    if report.alignment and report.alignment.frames:
        yield from _wrap("alignment", _alignment(report.alignment))
    if report.pace:
        yield from _wrap("time", _pace(report.pace))


def _camera(numbers: dict[str, float]) -> str | None:
    if not {"fx", "fy", "cx", "cy"} <= numbers.keys():
        return None
    lens = ", distorted" if any(numbers.get("distortion") or ()) else ""  # type: ignore[arg-type]
    return " ".join(f"{numbers[key]:.6g}" for key in ("fx", "fy", "cx", "cy")) + lens


def _pictures(report: RecordingReport) -> str:
    depth, color = (f"{size[0]}x{size[1]}" if size else "none" for size in (report.depth_size, report.color_size))
    return f"depth {depth}, colour {color}"


def _depth(seen: DepthSeen, unit_m: float | None) -> str:
    digits, unit = (".0f", " stored steps") if unit_m is None else (".2f", " m")
    return (
        f"{seen.nearest:{digits}} to {seen.farthest:{digits}}, median {seen.median:{digits}}{unit}, "
        f"{seen.holes:.0%} holes (in {number_of(seen.frames, 'frame')})"
    )


def _alignment(found: Alignment) -> str:
    if found.shift_px is None:
        return f"{found.fit} (in {found.frames} frames)"
    x, y = found.shift_px
    return f"{found.fit}, colour {x:+.0f} px right and {y:+.0f} px down of depth (in {found.frames} frames)"


def _pace(pace: Pace) -> str:
    gaps = f"{number_of(pace.gaps, 'gap')}, the longest {pace.longest_s:.2f} s" if pace.gaps else "no gaps"
    return f"{pace.duration_s:.1f} s, a frame every {1000 * pace.usual_s:.0f} ms, {gaps}"


def _wrap(label: str, text: str) -> list[str]:
    return _fold(f"  {label:<{_LABEL}}{text}", indent=" " * (_LABEL + 2))


def _fold(text: str, indent: str) -> list[str]:
    """Break a text into lines; a path is never broken."""
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _fold_comment(line: str) -> list[str]:
    """Break the comment after a line of TOML into comments below each other; the line can still be copied."""
    stated, mark, _ = line.partition("  # ")
    return _fold(line, indent=" " * (len(stated) + 2) + "# ") if mark else [line]


def _doubts_and_losses(result: Inspection) -> Iterator[str]:
    """Say what concerns RAW as a whole."""
    yield f"{result.raw}:"
    if result.doubts:
        people = ", ".join(f"{name} ({count})" for name, count in result.people.items())
        yield from _wrap("as it is now", f"{number_of(result.participants, 'participant')} (recordings): {people}")
    for doubt in result.doubts:
        yield from _wrap("problem", doubt.says)
        yield from _wrap("add to", f"{doubt.add_to}, the line that is right:")
        for line in doubt.add.splitlines():
            yield from _fold_comment(f"      {line}")
    for files in result.unread:
        yield from _wrap("note", files)


def _summary(result: Inspection) -> Iterator[str]:
    yield from (f"drafted {path}" for path in result.drafted)
    yield from (f"left as it is: {path}" for path in result.kept)
    recordings = sum(report.layout is not None for report in result.recordings)
    yield (
        f"{number_of(recordings, 'recording')} of {number_of(result.participants, 'participant')}, "
        f"{number_of(result.frames, 'frame')}, {result.problems or 'no'} problem{'s' * (result.problems != 1)}"
    )
    if not result.problems:
        yield f"next: {shell_command('build-dataset', result.raw)}"
