"""Look for bytes that break a reader, guided by what they reach.

    python -m tests.hostile.guided manifest|sidecar|list|shard|table|record|picture [--seconds 60]

`make fuzz` goes through all of them, and installs atheris for it. What breaks a reader is left as crash-... here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["labelkit", "tests.hostile", "json", "tomllib"], enable_loader_override=False):
    from tests.hostile.fuzz import TARGETS, reads_or_refuses
    from tests.hostile.seeds import SEEDS


def main() -> None:
    """Fuzz one reader for a while."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[asked.target]()):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={asked.seconds}", "-rss_limit_mb=4096", "-timeout=30", "-max_len=200000"]
        atheris.Setup([sys.argv[0], corpus, *limits], lambda content: reads_or_refuses(asked.target, content))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
