"""labelkit predict [RUN] PICTURE..."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import refuse_typed, settings_flags, show
from labelkit.cli.program import write_stdout
from labelkit.settings import PredictSettings
from labelkit.wording import number_of

if TYPE_CHECKING:
    from labelkit.workflows.predict import HandPrediction, PredictResult

log = logging.getLogger(__name__)

FAILED = 2  # the exit code if a picture could not be looked at

_HEAD = """\
 centred, degrees     label, degrees        unit normal
azimuth elevation  azimuth elevation      x      y      z     sd  picture"""


class _BoxType(click.ParamType[tuple[int, int, int, int]]):
    """X,Y,WIDTH,HEIGHT in pixels."""

    name = "box"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int, int]:
        try:
            x, y, width, height = (int(part) for part in str(value).replace(" ", "").split(","))
        except ValueError:
            self.fail(f"{value!r} is no box; give four whole numbers of pixels: x,y,width,height", param, ctx)
        return x, y, width, height


@click.command("predict")
@click.argument("pictures", metavar="[RUN] PICTURE...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--camera", metavar="N", type=int, help="Look through this camera; 0 is the first one.")
@click.option(
    "--box",
    metavar="X,Y,WIDTH,HEIGHT",
    type=_BoxType(),
    help="Where the hand is, pixels, from wrist to fingertips. [the whole picture shows one hand]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Overlays: a .png, .jpg or .mp4 file for one picture or video, or a folder.",
)
@click.option("--csv", type=click.Path(path_type=Path, allow_dash=True), help="CSV file with a row each; - is stdout.")
@settings_flags(PredictSettings)
@click.pass_context
def command(
    ctx: click.Context,
    pictures: tuple[Path, ...],
    camera: int | None,
    box: tuple[int, int, int, int] | None,
    out: Path | None,
    csv: Path | None,
    settings: PredictSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say how the hand in each PICTURE (file, folder or video) is turned.

    RUN is a run folder or a .tflite file of `labelkit export`. Without it the network that ships with labelkit
    answers. No hand is searched: a picture shows one hand and little else, or --box says where it is.
    """
    if as_json and camera is not None:
        refuse_typed(["as_json"], "is one object at the end, and a camera has none; take --csv - for rows")
    from labelkit.workflows.predict import predict

    take = None if as_json else _forget if quiet or str(csv) == "-" else _print_lines()
    result = predict(pictures, camera=camera, box=box, out=out, csv=csv, on_prediction=take, settings=settings)
    if as_json:
        show(result, as_json=True, quiet=quiet, text=str)
    _explain(result, box)
    if result.failed:
        ctx.exit(FAILED)


def _forget(prediction: HandPrediction) -> None:
    pass


def _print_lines() -> Callable[[HandPrediction], None]:
    """Make what prints a line for each prediction, and a head above the first."""
    head = iter((f"{_HEAD}\n",))

    def print_line(each: HandPrediction) -> None:
        sd = "" if each.normal_sd is None else f"{each.normal_sd:.1f}"
        n_x, n_y, n_z = each.normal
        frame = "" if each.frame is None else f", frame {each.frame}"
        write_stdout(
            f"{next(head, '')}"
            f"{each.azimuth:>+7.1f} {each.elevation:>+9.1f}  {each.label_azimuth:>7.1f} {each.label_elevation:>9.1f}  "
            f"{n_x:>+5.2f}  {n_y:>+5.2f}  {n_z:>+5.2f}  {sd:>5}  {each.picture}{frame}\n"
        )

    return print_line


def _explain(result: PredictResult, box: tuple[int, int, int, int] | None) -> None:
    """Say on stderr what answered, and what to expect of it."""
    rate = f", {result.pictures / result.seconds:.0f} a second" if result.pictures > 1 else ""
    log.info("%s by %s%s", number_of(result.pictures, "picture"), result.network, rate)
    if box is None:
        log.info("each whole picture was taken as one hand: --box says where it is in a larger one")
    if result.says:
        log.info("%s", result.says)
