from __future__ import annotations

import signal
import threading
from contextlib import suppress

import pytest

from labelkit.interrupts import handle_signals, keep_interrupts


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """Processes that a shell starts behind its back ignore Ctrl-C, and the tests with them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted_in_a_callback():
    """Raise what a library raises that makes an error of its own of everything a callback raises."""
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    raise RuntimeError("the callback failed")


def test_signals_are_answered_meanwhile_and_by_whom_they_were_before_afterwards():
    heard = []
    with handle_signals(lambda number, _: heard.append(number), signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert heard == [signal.SIGTERM, signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_another_thread_than_the_first_changes_no_signal():
    seen = []

    def work():
        with handle_signals(lambda *_: None, signal.SIGINT), keep_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_an_interrupt_stays_one_though_an_error_is_made_of_it():
    with pytest.raises(KeyboardInterrupt) as stop, keep_interrupts():
        interrupted_in_a_callback()
    assert isinstance(stop.value.__cause__, RuntimeError)


def test_an_error_that_no_interrupt_came_before_stays_what_it_is():
    with pytest.raises(RuntimeError, match="the callback failed"), keep_interrupts():
        raise RuntimeError("the callback failed")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_answers_ctrl_c_already_is_left_to_it():
    heard = []
    either = (RuntimeError, KeyboardInterrupt)  # the second, let through, would end all tests and not this one
    with handle_signals(lambda *_: heard.append(1), signal.SIGINT), pytest.raises(either) as stop, keep_interrupts():
        interrupted_in_a_callback()
    assert (heard, stop.type) == ([1], RuntimeError)
