"""Handlers of signals: Ctrl-C, and requests to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handle_signals(answer: Callable[[int, FrameType | None], object], *numbers: signal.Signals) -> Iterator[None]:
    """Call `answer` for these signals within the block; only the main thread gets signals, so others do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, answer) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def keep_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt after Ctrl-C, even if a library turned it into an error of its own, as in a callback.

    Does nothing if somebody else handles Ctrl-C already.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.default_int_handler(number, frame)

    try:
        with handle_signals(ask, signal.SIGINT):
            yield
    except Exception as error:
        if asked.is_set():
            raise KeyboardInterrupt from error
        raise
