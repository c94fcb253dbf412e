"""A device in another process: what a person does to it reaches it over the line, as it was done."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devices.events.bench import LinkSwitched
from rig import child
from rig.host.host import Plugs
from rig.node import assembly, device_process
from rig.node.bench_file import Bench
from rig.node.external import ExternalDevice
from rig.node.recorder import Recorder
from rig.ports.message_line import LineMessageLink, LineParser, LineSettings, Press
from rig.ports.protocols import PortLost, PortMissing
from rig.world.clock import VirtualClock
from tests.node.benches import VIRTUAL, bench
from tests.running import DEADLINE_S

MS = 1_000_000
LINE = VIRTUAL.with_name("line.yaml")
TWO_BUTTONS = {"devices": {"esme": {"pins": {"a": {"gpio": 26, "kind": "button"}}}}}


@pytest.fixture
def stands(monkeypatch: pytest.MonkeyPatch) -> Iterator[assembly.Premises]:
    """The bench with the meter behind a line; in place of the meter's process stands one that only waits."""

    def idle(
        _device: ExternalDevice, _bench: Bench, _overlay: dict[str, Any], _variant: str
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    monkeypatch.setattr(ExternalDevice, "_spawn", idle)
    clock = VirtualClock()
    told = bench(TWO_BUTTONS, LINE)
    premises = assembly.build(told, clock, Recorder(clock, told.civil_start, None))
    premises.start()
    yield premises
    premises.close()


def heard(premises: assembly.Premises, count: int) -> list[Press]:
    """The first presses that the far end of the line hears, or fewer."""
    parser = LineParser(LineSettings(), "far end")
    found: list[Press] = []
    descriptor = os.open(premises.external["esme"]._pty.path, os.O_RDONLY | os.O_NOCTTY)
    try:
        while len(found) < count and select.select([descriptor], [], [], DEADLINE_S)[0]:
            found += [frame for frame in parser.feed(os.read(descriptor, 4096)) if isinstance(frame, Press)]
    finally:
        os.close(descriptor)
    return found


def test_each_button_of_an_external_device_is_pressed_for_as_long_as_asked(stands: assembly.Premises) -> None:
    for button, hold_ns in (("b", 3000 * MS), ("a", 700 * MS), ("b", 1 * MS)):
        stands.operator.press("esme", button, hold_ns)
    clock = stands.clock
    assert isinstance(clock, VirtualClock)
    clock.detach()  # nobody answers: let the time of the presses fly
    clock.advance(5000 * MS)
    clock.attach()
    # In the order in which they are let go.  Nobody taps faster than 50 ms.
    assert heard(stands, 3) == [Press("b", 50 * MS), Press("a", 700 * MS), Press("b", 3000 * MS)]


def test_a_button_that_the_device_does_not_have_is_named_with_those_it_has(stands: assembly.Premises) -> None:
    with pytest.raises(PortMissing, match="esme has no button 'z'"):
        stands.operator.press("esme", "z", MS)


def test_a_process_that_ends_takes_its_line_along(stands: assembly.Premises) -> None:
    told: list[tuple[str, str, bool]] = []

    def heard_of(line: Any) -> None:
        if line["kind"] == LinkSwitched.kind:
            told.append((line["fields"]["device"], line["fields"]["link"], line["fields"]["up"]))

    stands.recorder.listen(heard_of)
    device = stands.external["esme"]
    device.check()
    device._process.kill()
    device._process.wait()
    for _ in range(2):
        with pytest.raises(PortLost, match="the process of the device ended with status -9"):
            stands.check()
    assert told == [("esme", "line", False)]
    with pytest.raises(PortLost, match="the process of the device ended"):
        device.press("b", MS)


def test_a_press_after_the_line_was_closed_is_the_benchs_fault(stands: assembly.Premises) -> None:
    stands.external["esme"].close()
    with pytest.raises(PortLost):
        stands.external["esme"].press("b", MS)


# ------------------------------------------------------------------------------------------------- in its own process


class Far:
    """The device's side of the line: its sockets, and the line's other end in the hands of the test."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.edges: list[tuple[str, bool, int]] = []
        self.near, far = _Wire(), _Wire()
        self.near.other, far.other = far, self.near
        told = bench(TWO_BUTTONS, LINE)
        line = LineMessageLink(far, told.devices["esme"].eui)
        self.bench_end = LineMessageLink(self.near, told.devices["esme"].eui)
        power = device_process._LineInput()
        self.plugs = Plugs(power=power)
        device_process._wire(told.devices["esme"], line, self.plugs, self.clock)  # type: ignore[arg-type]
        for name, plug in (*self.plugs.buttons.items(), *self.plugs.inputs.items(), ("power", power)):
            plug.on_edge = self._noted(name)

    def _noted(self, name: str) -> Any:
        return lambda level, at_ns: self.edges.append((name, level, at_ns))


class _Wire:
    """One end of a line without delay; satisfies ``ByteLink``."""

    def __init__(self) -> None:
        self.other: _Wire
        self.on_bytes: Any = lambda _octets: None
        self.link_lost: Any = lambda _reason: None

    def write(self, octets: bytes) -> None:
        self.other.on_bytes(octets)

    def set_line(self, name: str, level: bool) -> None:
        raise AssertionError(name)

    def close(self) -> None: ...


def test_a_press_holds_that_button_down_for_its_time() -> None:
    far = Far()
    far.clock.advance(100 * MS)
    far.bench_end.press("b", 3000 * MS)
    far.clock.advance(1000 * MS)
    far.bench_end.press("a", 500 * MS)
    far.clock.advance(10_000 * MS)
    assert far.edges == [
        ("b", True, 100 * MS),
        ("a", True, 1000 * MS),
        ("a", False, 1500 * MS),
        ("b", False, 3100 * MS),
    ]


def test_wires_and_supply_of_the_device_follow_the_line() -> None:
    far = Far()
    far.bench_end.set_pin("aux_no", True)
    far.bench_end.power(True)
    far.bench_end.set_pin("b", True)  # a button is pressed, not wired
    far.bench_end.press("aux_no", MS)
    far.bench_end.press("nobody", MS)
    far.bench_end.power(False)
    far.clock.advance(1000 * MS)
    assert far.edges == [("aux_no", True, 0), ("power", True, 0), ("power", False, 0)]


def test_the_coils_of_the_device_are_told_on_the_line_at_each_change_alone() -> None:
    far = Far()
    told: list[tuple[str, bool]] = []
    far.bench_end.on_pin = lambda name, level: told.append((name, level))
    coil = far.plugs.outputs["contactor_set"]
    for level in (True, True, False):
        coil.drive(level)
    coil.drive(True)
    coil.safe()
    assert told == [("contactor_set", level) for level in (True, False, True, False)]


def test_a_process_that_does_not_come_up_is_the_benchs_fault_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[subprocess.Popen[bytes]] = []

    class Counted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            made.append(self)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    monkeypatch.setattr(child, "command", lambda _module: ["false"])
    clock, told = VirtualClock(), bench(TWO_BUTTONS, LINE)
    with pytest.raises(PortLost, match="the process of the device ended before it was up"):
        assembly.build(told, clock, Recorder(clock, told.civil_start, None))
    (process,) = made
    assert process.returncode is not None
    assert process.stdin is not None
    assert process.stdin.closed
    assert clock.attached == 0


def test_a_process_that_hangs_does_not_hold_up_the_end(stands: assembly.Premises) -> None:
    device = stands.external["esme"]
    os.kill(device._process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    stands.close()
    assert time.monotonic() - begun < 3.0
    assert device._process.returncode == -signal.SIGKILL
