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

__version__ = "0.1.0.dev0"


def __getattr__(name):  # type: ignore[no-untyped-def]  # the types are in __init__.pyi
    _attach_names()
    return globals()[name] if name in globals() else globals()["__getattr__"](name)


def __dir__():  # type: ignore[no-untyped-def]
    _attach_names()
    return globals()["__dir__"]()


def _attach_names():  # type: ignore[no-untyped-def]
    """Put the names of the stub in the place of the two functions above, once."""
    import lazy_loader  # not at the top: `python -m labelkit` comes here before it has put sys.path right

    attached = lazy_loader.attach_stub(__name__, __file__)
    globals()["__getattr__"], globals()["__dir__"], names = attached
    globals()["__all__"] = ["__version__", *names]
