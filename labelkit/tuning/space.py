"""What a search draws from: structures, each with the ranges of its settings."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial

from labelkit.errors import SettingsError, nearest
from labelkit.settings import TrainSettings, TuneSettings, from_plain

# The search sets these for every trial, or they only say how to run.
_OWN = {"seed", "diagnostics", "report", "checkpoint_s"}
# Trials that differ in these are measured on different people, so their errors cannot be compared.
_OF_SPLIT = {"split", "split_seed", "hold_out", "validation", "test"}
# The settings that decide whether a network can be built.
SHAPING = frozenset(
    [
        "kernel_size",
        "stages",
        "padding",
        "shrink",
        "resolutions",
        "resolution",
        "base",
        "incr",
        "freq",
        "pct3x3",
        "squeeze_ratio",
    ]
)
_KINDS = ("int", "float", "log", "choice")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

Values = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A setting that is searched.

    Attributes:
        when: other setting -> the values with which this one is drawn; it keeps its default otherwise.
    """

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]]

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether it is drawn together with these settings."""
        return all(values.get(key) in allowed for key, allowed in self.when.items())

    def suggest(self, trial: BaseTrial) -> Any:
        """Have Optuna draw a value."""
        match self.distribution:
            case IntDistribution(low=low, high=high, log=log):
                return trial.suggest_int(self.name, low, high, log=log)
            case FloatDistribution(low=low, high=high, log=log):
                return trial.suggest_float(self.name, low, high, log=log)
            case CategoricalDistribution(choices=choices):
                return trial.suggest_categorical(self.name, choices)
        raise TypeError(self.distribution)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values at the ends of its range; all of a choice."""
        if isinstance(self.distribution, CategoricalDistribution):
            return tuple(self.distribution.choices)
        assert isinstance(self.distribution, IntDistribution | FloatDistribution)
        return self.distribution.low, self.distribution.high


@dataclass(frozen=True)
class Structure:
    """A group of networks that is searched by itself.

    Attributes:
        fixed: settings of `labelkit train` that its trials share.
        parameters: in the order in which they are drawn.
    """

    name: str
    fixed: Mapping[str, Any]
    parameters: tuple[Parameter, ...]

    def draw(self, value_of: Callable[[Parameter], Any]) -> Values:
        """Draw the parameters that apply, one after the other."""
        values: Values = {}
        known = _with_defaults(self.fixed)
        for parameter in self.parameters:
            if parameter.applies(known | values):
                values[parameter.name] = value_of(parameter)
        return values

    def settings(self, values: Mapping[str, Any], **more: Any) -> TrainSettings:
        """Make the settings of a trial.

        Raises:
            SettingsError: values that contradict each other.
        """
        return from_plain(TrainSettings, {**self.fixed, **values, **more}, f"structure {self.name}")

    def corners(self, names: Iterable[str]) -> Iterator[Values]:
        """Go through all combinations of the ends of some parameters, the others at their low ends; then all high.

        A parameter that conditions ask for also takes the values they name: they need not lie at an end.

        Args:
            names: of the parameters that are combined.
        """
        ends = [self._ends(p) if p.name in names else p.ends[:1] for p in self.parameters]
        for corner in (*itertools.product(*ends), tuple(p.ends[-1] for p in self.parameters)):
            at = {p.name: end for p, end in zip(self.parameters, corner, strict=True)}
            yield self.draw(lambda p, at=at: at[p.name])  # type: ignore[misc]

    def _ends(self, parameter: Parameter) -> tuple[Any, ...]:
        asked = (value for other in self.parameters for value in other.when.get(parameter.name, ()))
        return tuple(dict.fromkeys((*parameter.ends, *asked)))


def _with_defaults(fixed: Mapping[str, Any]) -> Values:
    """Add the defaults, or those of the preset if one is named, so that conditions may ask for them."""
    defaults = {key: field.default for key, field in TrainSettings.model_fields.items()}
    return defaults | TrainSettings.expand(fixed)


def structures_of(settings: TuneSettings) -> tuple[Structure, ...]:
    """Read the structures and ranges of a search.

    Raises:
        SettingsError: no range, an empty or inverted one, one beyond what the setting may be, an unknown
            setting or one that a search cannot vary, a condition that can never hold, two structures of one name.
    """
    for key in settings.train:
        _check_key(key, "[train]", _OWN)
    if settings.train.get("split") == "leave-one-out":
        raise SettingsError("[train] split: a trial is one training; leave-one-out is many, choose participants")
    if not settings.ranges:
        raise SettingsError(
            "there is nothing to search: state at least one range, such as\n\n[ranges]\nfilters = { int = [5, 25] }"
        )
    tables = settings.structures or [{"name": "all"}]
    structures = tuple(_structure(table, number, settings) for number, table in enumerate(tables, start=1))
    names = [structure.name for structure in structures]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"[[structures]] {name}: two structures have this name, which is also their folder's; rename one"
            )
    for name in settings.ranges:
        _check_drawn(name, structures)
    return structures


def _check_drawn(name: str, structures: Iterable[Structure]) -> None:
    """Refuse a range that no structure draws from."""
    for structure in structures:
        asked = {key for parameter in structure.parameters for key in parameter.when}
        if any(name in values for values in structure.corners(asked)):
            return
    raise SettingsError(f"[ranges] {name}: its condition never holds, in no structure; change `when` or leave it out")


def _structure(table: Mapping[str, Any], number: int, settings: TuneSettings) -> Structure:
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        found = "has no name" if name is None else f"is named {name!r}"
        raise SettingsError(
            f"[[structures]] number {number} {found}; give it one of small letters, digits and single hyphens, "
            'such as name = "pooled-4"'
        )
    where = f"[[structures]] {name}"
    own = {key: value for key, value in table.items() if key != "name"}
    for key in own:
        _check_key(key, where, _OWN | _OF_SPLIT)
        if key in settings.ranges:
            raise SettingsError(f"{where}: {key} is fixed here and searched in [ranges]; leave one of them out")
    fixed = {**settings.train, **own}
    from_plain(TrainSettings, fixed, where)
    parameters: list[Parameter] = []
    for key, table in settings.ranges.items():
        later = list(settings.ranges)[len(parameters) :]
        parameters.append(_parameter(key, table, fixed, later))
    return Structure(name, fixed, tuple(parameters))


def _check_key(key: str, where: str, refused: set[str]) -> None:
    if key not in TrainSettings.model_fields:
        known = set(TrainSettings.model_fields) - refused
        raise SettingsError(f"{where}: unknown setting {key!r} of labelkit train; {nearest(key, known)}")
    if key in refused & _OF_SPLIT:
        raise SettingsError(
            f"{where}: {key} decides which people a trial is measured on, so all trials share it; state it in [train]"
        )
    if key in refused:
        raise SettingsError(f"{where}: {key} is set by the search; leave it out")


def _parameter(name: str, table: Mapping[str, Any], fixed: Mapping[str, Any], later: list[str]) -> Parameter:
    where = f"[ranges] {name}"
    _check_key(name, "[ranges]", _OWN | _OF_SPLIT)
    if name == "model":
        raise SettingsError(f"{where}: families have different settings; name them in [[structures]] or in [train]")
    if name in fixed:
        raise SettingsError(f"{where}: is fixed in [train] and searched here; leave one of them out")
    for key in table:
        if key not in (*_KINDS, "when"):
            raise SettingsError(f"{where}: no kind of range {key!r}; {nearest(key, (*_KINDS, 'when'))}")
    kinds = [key for key in _KINDS if key in table]
    if len(kinds) != 1:
        raise SettingsError(
            f"{where}: states {' and '.join(kinds) or 'no range'}; state one of {{ int = [5, 25] }}, "
            '{ float = [0, 0.7] }, { log = [1e-5, 1e-2] } and { choice = ["none", "batch"] }'
        )
    distribution = _distribution(where, name, kinds[0], table[kinds[0]])
    parameter = Parameter(name, distribution, _condition(where, table.get("when", {}), fixed, later))
    for end in parameter.ends:
        from_plain(TrainSettings, {**fixed, name: end}, where)
    return parameter


def _distribution(where: str, name: str, kind: str, stated: Any) -> BaseDistribution:
    if not isinstance(stated, list):
        raise SettingsError(f"{where}: {kind} wants a list, such as {{ {kind} = {_EXAMPLES[kind]} }}, not {stated!r}")
    if kind == "choice":
        if len(stated) < 2 or len({repr(value) for value in stated}) < len(stated):
            raise SettingsError(f"{where}: {stated} is no choice; list two or more different values")
        return CategoricalDistribution(stated)
    whole = kind == "int" or (kind == "log" and TrainSettings.model_fields[name].annotation is int)
    allowed = int if whole else (int, float)
    if len(stated) != 2 or any(isinstance(value, bool) or not isinstance(value, allowed) for value in stated):
        raise SettingsError(
            f"{where}: {kind} wants two {'whole ' if whole else ''}numbers, the smaller first, not {stated}"
        )
    low, high = stated
    if low >= high:
        cure = "name a fixed value in [train]" if low == high else "write the smaller first"
        raise SettingsError(f"{where}: the range from {low:g} to {high:g} is empty; {cure}")
    if kind == "log" and low <= 0:
        raise SettingsError(f"{where}: a log range begins above 0, not at {low:g}")
    if whole:
        return IntDistribution(low, high, log=kind == "log")
    return FloatDistribution(low, high, log=kind == "log")


_EXAMPLES = {"int": "[5, 25]", "float": "[0, 0.7]", "log": "[1e-5, 1e-2]", "choice": '["none", "batch"]'}


def _condition(where: str, stated: Any, fixed: Mapping[str, Any], later: list[str]) -> Mapping[str, tuple[Any, ...]]:
    if not isinstance(stated, dict):
        raise SettingsError(f'{where}: when wants other settings and their values, such as {{ norm = "group" }}')
    condition = {}
    for key, value in stated.items():
        if key not in TrainSettings.model_fields:
            raise SettingsError(
                f"{where}: when asks for {key!r}, no setting; {nearest(key, TrainSettings.model_fields)}"
            )
        if key in later:
            raise SettingsError(f"{where}: when asks for {key}, which is drawn later; write its range above this one")
        allowed = tuple(value) if isinstance(value, list) else (value,)
        for each in allowed:
            from_plain(TrainSettings, {**fixed, key: each}, f"{where}: when")
        condition[key] = allowed
    return condition
