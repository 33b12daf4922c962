"""Turn Kinect recordings of hands into labelled datasets, and train networks that read orientation.

The public API is one function per command, and `open_dataset`:

    labelkit.simulate("recordings/")
    labelkit.build_dataset("recordings/raw", out="dataset/")
    labelkit.coverage_map("dataset/")
    labelkit.train("dataset/")
    labelkit.evaluate("runs/vanilla")

`import labelkit` loads none of the heavy libraries; each function loads what it needs. The names are listed in
`__init__.pyi`, which type checkers read too.
"""

import lazy_loader

__version__ = "0.1.0.dev0"

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)

__all__ = ["__version__", *_names]
