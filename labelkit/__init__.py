"""Turn Kinect recordings of hands into labelled datasets, and train networks that read orientation.

The public API is one function per command, and `open_dataset`:

    labelkit.simulate("recordings/")
    labelkit.build_dataset("recordings/raw", out="dataset/")
    labelkit.coverage_map("dataset/")
    labelkit.train("dataset/")
    labelkit.evaluate("runs/vanilla")

`import labelkit` loads none of the heavy libraries; each function loads what it needs.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0.dev0"

# public name -> the module that has it
_PUBLIC = {
    "build_dataset": "labelkit.workflows.build_dataset",
    "coverage": "labelkit.workflows.coverage_map",
    "coverage_map": "labelkit.workflows.coverage_map",
    "demo": "labelkit.workflows.demo",
    "evaluate": "labelkit.workflows.evaluate",
    "inspect": "labelkit.workflows.inspect",
    "latency": "labelkit.workflows.latency",
    "play": "labelkit.workflows.play",
    "record": "labelkit.workflows.record",
    "report_dataset": "labelkit.workflows.report",
    "show": "labelkit.workflows.show",
    "simulate": "labelkit.workflows.simulate",
    "simulate_live": "labelkit.workflows.simulate",
    "train": "labelkit.workflows.train",
    "tune": "labelkit.workflows.tune",
    "verify": "labelkit.workflows.verify",
    "withdraw": "labelkit.workflows.withdraw",
    "open_dataset": "labelkit.dataset.dataset",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'labelkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
