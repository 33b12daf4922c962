"""Options that the commands share: a flag per setting, --config, --json, --quiet."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from pydantic import TypeAdapter

from labelkit.cli.program import write_stdout
from labelkit.settings import Settings, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])


json_flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
quiet_flag = click.option("--quiet", "-q", is_flag=True, help="No progress, no summary; errors only.")


def settings_flags(schema: type[Settings], *, leave_out: Sequence[str] = ()) -> Callable[[Command], Command]:
    """Give a command one flag per key of its schema, --config, --json and --quiet.

    The command receives `settings`, resolved from file, environment and the flags that were typed.

    Args:
        leave_out: keys that the command does not need; they have no flag, but may be in the file.
    """
    flags = [key for key in schema.model_fields if key not in leave_out]

    def decorate(command: Command) -> Command:
        def with_settings(*args: Any, config: Path | None, **kwargs: Any) -> Any:
            ctx = click.get_current_context()
            values = {key: kwargs.pop(key) for key in flags}
            typed = {key: value for key, value in values.items() if _is_typed(ctx, key)}
            settings = load_settings(schema, config=config, typed=typed, command=ctx.info_name)
            return command(*args, settings=settings, **kwargs)

        wrapped: Any = with_settings
        wrapped.__doc__ = command.__doc__
        wrapped.__click_params__ = getattr(command, "__click_params__", [])
        wrapped = json_flag(quiet_flag(wrapped))
        wrapped = click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            help="TOML file with any of these settings.",
        )(wrapped)
        for key in reversed(flags):
            wrapped = _flag(key, schema)(wrapped)
        return typing.cast(Command, wrapped)

    return decorate


def _is_typed(ctx: click.Context, key: str) -> bool:
    return ctx.get_parameter_source(key) is click.core.ParameterSource.COMMANDLINE


def refuse_typed(keys: Sequence[str], why: str) -> None:
    """Refuse options that the user typed and that do not go with another one.

    Args:
        keys: the options, as parameters of the command.
    """
    ctx = click.get_current_context()
    for key in keys:
        if _is_typed(ctx, key):
            raise click.UsageError(f"--{key.removeprefix('as_').replace('_', '-')} {why}", ctx)


def _flag(key: str, schema: type[Settings]) -> Callable[[Any], Any]:
    field = schema.model_fields[key]
    name = f"--{key.replace('_', '-')}"
    description = field.description or ""
    shown = f"{description[:1].upper()}{description[1:]}."
    annotation = _without_none(field.annotation)
    if annotation is bool:
        return click.option(f"{name}/--no-{key.replace('_', '-')}", key, default=None, help=shown)
    if typing.get_origin(annotation) is tuple:
        return click.option(name, key, multiple=True, metavar="GLOB", help=shown)
    shown += "" if field.default in (None, "") else f" [{field.default}]"
    if typing.get_origin(annotation) is Literal:
        return click.option(name, key, type=click.Choice(typing.get_args(annotation)), help=shown)
    return click.option(name, key, type=annotation, help=shown)


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        (annotation,) = (part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


def show(result: Any, *, as_json: bool, quiet: bool, text: Callable[[], str]) -> None:
    """Print a command's result: one JSON object, nothing, or text for people."""
    if as_json:
        content = dataclasses.asdict(result) if dataclasses.is_dataclass(result) else result  # type: ignore[arg-type]
        values = TypeAdapter(Any).dump_python(content, mode="json")
        write_stdout(json.dumps(values, allow_nan=False, ensure_ascii=sys.stdout.encoding.lower() != "utf-8") + "\n")
    elif not quiet:
        write_stdout(f"{text()}\n")
