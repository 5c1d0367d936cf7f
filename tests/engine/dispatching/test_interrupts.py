"""Interrupts strike in windows and nowhere else."""

from __future__ import annotations

import signal
import threading

import pytest

from dagrun.engine.dispatching.inflight import InFlight
from dagrun.engine.dispatching.interrupts import Interrupts


def test_an_interrupt_waits_for_the_next_window() -> None:
    done = []
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        done.append("state is whole")
        with pytest.raises(KeyboardInterrupt), interrupts.window():
            done.append("never")
        with interrupts.window():
            done.append("raised once")
    assert done == ["state is whole", "raised once"]


def test_inside_a_window_it_is_raised_at_once() -> None:
    with Interrupts() as interrupts, interrupts.window(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_one_that_ends_no_wait_is_raised_all_the_same() -> None:
    # Another thread gets it, and this one waits on: so does one that had just begun to wait.
    def strike() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    flights, timer = InFlight(1), threading.Timer(0.1, strike)
    with Interrupts() as interrupts, interrupts.window():
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            flights.wait(None)


def test_a_second_one_is_raised_wherever_it_strikes() -> None:
    with Interrupts():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_put_back_and_what_is_ignored_stays_so() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_changes_no_handler() -> None:
    seen = []

    def enter() -> None:
        with Interrupts() as interrupts, interrupts.window():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
