"""The entry point: find the command, run it, turn errors into one line and an exit code."""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from labelkit import __version__
from labelkit.errors import INTERRUPTED, LabelkitError, OutputError, find_nearest, is_out_of_memory, nearest

# command -> what it does; the order is that of a session
COMMANDS = {
    "demo": "simulate, build, map, train and report, in one folder, in minutes",
    "simulate": "make recordings of simulated hands, with the exact truth of each frame",
    "record": "record from a sensor, in the layout that a build reads",
    "play": "play the painting game: the coverage map while recording, in a browser or a terminal",
    "inspect": "say what each recording is: layout, sensor, units, calibration, frames",
    "show": "explain one frame: mask, palm, plane, normal, crop, or why it was rejected",
    "build-dataset": "turn recordings into a labelled dataset",
    "array-script": "print a script for SLURM that builds a dataset on many machines",
    "coverage-map": "show which orientations the dataset holds and which are missing",
    "report": "one page of the dataset: coverage, gallery, doubtful labels, rejections",
    "train": "train a network on the dataset",
    "tune": "search ranges and structures of networks, and rank them",
    "verify": "find every changed bit, missing or foreign file and contradiction in the dataset",
    "card": "say what is stated about the dataset (licence, consent, ...), and state more",
    "withdraw": "take a participant out of the dataset, and out of runs made with it",
    "evaluate": "say how good a run's network is, where it errs and what it costs",
    "predict": "say how the hand in a plain picture, a video or a camera is turned",
    "export": "convert a run's network for LiteRT, ONNX Runtime or plain Keras",
    "latency": "say how long runs' networks take for one picture on one core, in every runtime",
}

_MOST_SAID = 200  # letters of what a library says about memory

EXIT_CODES = """\
\b
Exit codes: 0 done; 1 failed; 2 wrong usage, settings or input;
3 done, but more frames were rejected than --max-rejected;
4 verification failed; 5 no space or permission (resumable);
130 interrupted (resumable)."""


class Commands(click.Group):
    """The commands. Each is loaded when it is called, so that --help stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"labelkit.cli.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(f"no command {args[0]!r}; {nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.pass_context
@click.version_option(__version__, "-V", "--version", prog_name="labelkit", message="%(prog)s %(version)s")
def labelkit(ctx: click.Context) -> None:
    """Turn Kinect recordings of hands into labelled datasets, and train networks that read orientation."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and end the process with an exit code from the list above.

    With --json, an error is a JSON object on stdout as well: {"error": ..., "exit_code": ...}.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    as_json, quiet = "--json" in words, not {"-q", "--quiet"}.isdisjoint(words)

    def fail(message: str, exit_code: int, program: str = "labelkit") -> NoReturn:
        if as_json:
            print(json.dumps({"error": " ".join(message.split()), "exit_code": exit_code}, ensure_ascii=False))
        _complain(message, program)
        sys.exit(exit_code)

    try:
        with _log_on_stderr(logging.WARNING if as_json or quiet else logging.INFO):
            code = labelkit.main(args=words, prog_name="labelkit", standalone_mode=False) or 0
        write_stdout()
        sys.exit(code)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "labelkit"
        fail(f"{_explain(error).rstrip('.')} (see {command} --help)", 2, command)
    except click.ClickException as error:
        fail(error.format_message(), 2)
    except LabelkitError as error:
        fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort) as stop:
        # click turns a KeyboardInterrupt into an Abort; its text may say what is there.
        fail(str(stop.__cause__ or stop) or "interrupted; nothing is half-written", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has ended (labelkit ... | head); there is nobody to print to.
        _forget_output()
        sys.exit(1)
    except Exception as error:
        from labelkit.files import NO_ROOM

        if isinstance(error, OSError) and error.errno in NO_ROOM:
            fail(_explain_os_error(error), OutputError.exit_code)
        if isinstance(error, OSError) and error.filename is not None:
            fail(_explain_os_error(error), 1)
        if not is_out_of_memory(error):
            raise
        said = str(error).partition("\n")[0][:_MOST_SAID] or type(error).__name__
        try:
            fail(
                f"out of memory ({said}); run the same command again with more memory (ulimit -v limits it, too), or "
                "with fewer --workers",
                1,
            )
        finally:
            _forget_output(2)  # libraries that end without memory say so hundreds of times


def open_streams() -> None:
    """Give this process the standard streams it lacks, and let stdout and stderr escape what they cannot show.

    Without, the next file that is opened would get the number of stderr, and what a library prints would end up in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            os.set_inheritable(nowhere, True)
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r+", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_stdout(text: str = "") -> None:
    """Write to stdout at once: at the end of the process an error would have no handler.

    Raises:
        OutputError: it leads to a full disk.
        BrokenPipeError: its reader has ended.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_output()
        raise OutputError(
            f"standard output: cannot write ({error.strerror}); the command has done its work, only its words are lost"
        ) from None


def _forget_output(number: int = 1) -> None:
    """Send what stdout (1) still holds nowhere, as the end of the process would try to write it again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _explain_os_error(error: OSError) -> str:
    """Say what the system refused, and for which file, as no other part of the program has."""
    name = error.filename
    where = f"{os.fsdecode(name) if isinstance(name, str | bytes) else name}: " if name is not None else ""
    return f"{where}{error.strerror or error}"


def _explain(error: click.UsageError) -> str:
    """Give click's words; for an unknown option, with the one that it stands for: `--lr`, `--rate`."""
    if isinstance(error, click.NoSuchOption) and error.ctx:
        options = [name for each in error.ctx.command.get_params(error.ctx) for name in each.opts]
        if meant := find_nearest(error.option_name, options):
            return f"{error.message} Did you mean {meant!r}?"
    return error.format_message()


class _LinesOnStderr(logging.Handler):
    """Writes each record as a line, above the progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        from labelkit.progress import say

        say(self.format(record))


@contextmanager
def _log_on_stderr(level: int) -> Iterator[None]:
    """Show labelkit's log to the user: what it is doing, or warnings alone."""
    logger, handler = logging.getLogger("labelkit"), _LinesOnStderr()
    before = logger.level
    logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _complain(message: str, program: str = "labelkit") -> None:
    line, _, to_copy = message.partition("\n\n")  # lines for a file stay as they are
    print(f"{program}: error: {' '.join(line.split())}", file=sys.stderr)
    if to_copy:
        print(f"\n{to_copy}", file=sys.stderr)
