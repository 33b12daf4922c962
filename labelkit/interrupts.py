"""Who answers Ctrl-C, and a request to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handle_signals(answer: Callable[[int, FrameType | None], object], *numbers: signal.Signals) -> Iterator[None]:
    """Let `answer` hear these signals meanwhile; outside the main thread, which alone hears any, change nothing."""
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
    """Raise KeyboardInterrupt after Ctrl-C, even where a library made an error of its own of it, as in a callback.

    Who answers Ctrl-C already is left to it.
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
