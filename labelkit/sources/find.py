"""Find a source by name among the entry points of installed packages; labelkit's own are entry points as well."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from labelkit.errors import SensorError, SettingsError, nearest
from labelkit.sources.source import Source

GROUP = "labelkit.sources"


def find_source(name: str) -> Source:
    """Load one source and no other.

    Raises:
        SettingsError: there is no source of this name.
        SensorError: its package is broken.
    """
    found: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise SettingsError(f"no source {name!r}; {nearest(name, found)}")
    try:
        source: Source = found[name].load()
    except Exception as error:
        raise SensorError(
            f"the source {name!r} ({found[name].value}) cannot be loaded: {error}; repair or uninstall its package"
        ) from error
    return source
