"""Find a source by its name among those that installed packages declare; labelkit's own are declared alike."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from labelkit.errors import SensorError, SettingsError, nearest
from labelkit.sources.source import Source

GROUP = "labelkit.sources"


def find_source(name: str) -> Source:
    """Load a source; no other is loaded for it.

    Raises:
        SettingsError: there is none of that name.
        SensorError: its package is broken.
    """
    found: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise SettingsError(f"no source {name!r}; {nearest(name, found)}")
    try:
        source: Source = found[name].load()
    except Exception as error:
        raise SensorError(
            f"the source {name!r} ({found[name].value}) cannot be loaded: {error}; mend or uninstall its package"
        ) from error
    return source
