"""Hash a whole dataset before it is used, and say so: a large one takes minutes."""

from __future__ import annotations

import logging
import time

from labelkit.dataset.dataset import Dataset
from labelkit.progress import open_bar
from labelkit.wording import number_of

log = logging.getLogger(__name__)

_SHORT_S = 1.0  # a wait that needs no bar


def check_all_hashes(data: Dataset) -> None:
    """Compare every file of a dataset with its manifest; a bar shows how far it is, where lines are logged.

    Raises:
        DatasetError: names the first file that is missing or changed.
    """
    files, started = data.manifest.files, time.perf_counter()
    log.info("%s: comparing its %s with the manifest", data.path, number_of(len(files), "file"))
    with open_bar(
        quiet=not log.isEnabledFor(logging.INFO),
        total=sum(entry.bytes for entry in files.values()),
        desc="hash",
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        leave=False,
        delay=_SHORT_S,
    ) as bar:
        data.check_hashes(on_file=lambda entry: bar.update(entry.bytes))
    log.info("%s: all hashes match (%.1f s)", data.path, time.perf_counter() - started)
