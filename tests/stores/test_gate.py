from __future__ import annotations

import threading

import pytest

from headrace.stores.gate import Gate, GateBusyError

PATIENCE = 60.0
ME = threading.get_ident


def shutting(gate: Gate) -> threading.Thread:
    """A thread that waits to be alone, is, and opens the gate again."""

    def be_alone() -> None:
        gate.shut(PATIENCE)
        gate.reopen()

    thread = threading.Thread(target=be_alone)
    thread.start()
    while not gate._closed:  # noqa: SLF001 - nothing else tells that it waits
        pass
    return thread


def test_who_waits_to_be_alone_waits_for_all_and_keeps_newcomers_out() -> None:
    gate = Gate()
    gate.enter()
    alone = shutting(gate)
    order: list[str] = []

    def come_late() -> None:
        gate.enter()
        order.append("entered")
        gate.leave()

    newcomer = threading.Thread(target=come_late)
    newcomer.start()
    assert alone.is_alive()
    order.append("left")
    gate.leave()
    alone.join()
    newcomer.join()
    assert order == ["left", "entered"]


def test_who_stays_inside_may_enter_again_though_another_waits() -> None:
    gate = Gate()
    gate.enter(stay=ME())
    alone = shutting(gate)
    gate.enter()  # would wait for ever if it were a newcomer's
    gate.enter(stay=ME())
    gate.leave(stay=ME())
    gate.leave()
    assert alone.is_alive()
    gate.leave(stay=ME())
    alone.join()


def test_nobody_is_alone_while_others_stay_too_long() -> None:
    gate = Gate()
    gate.enter()
    with pytest.raises(GateBusyError):
        gate.shut(0.0)
    gate.enter()  # it is open
    gate.leave()
    gate.leave()
    gate.shut(0.0)
    with pytest.raises(GateBusyError):
        gate.shut(0.0)
    gate.reopen()


def test_who_stays_inside_cannot_be_alone() -> None:
    gate = Gate()
    gate.enter(stay=ME())
    with pytest.raises(GateBusyError):
        gate.shut(PATIENCE)
    gate.leave(stay=ME())
    gate.shut(0.0)
    gate.reopen()
