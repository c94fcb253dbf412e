"""One emulated device as a process of its own behind a serial line: ``python -m rig.node.device_process``.

It stands where a device under test would: the bench reaches it by messages on the line (``rig.ports.message_line``),
and its coils, contacts, buttons and supply are wires on the same line.  The first line of standard input is a JSON
object: ``bench`` (path), ``variant``, ``overlay``, ``device``, ``path`` (of the serial device).  One line on standard
output says that it runs.  It ends when standard input does, and it runs on real time.

Must not live here: what a device does (``devices``), how it is built (``assembly``).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rig import child
from rig.host.host import Host, Plugs
from rig.node import assembly, bench_file
from rig.ports.bytelink import SerialByteLink
from rig.ports.clock import RealClock
from rig.ports.message_line import LineMessageLink

__all__ = ["main"]

BAUD = 115_200


class _LineOutput:
    """An output of the device: a wire on the line; satisfies ``Output``."""

    def __init__(self, line: LineMessageLink, name: str) -> None:
        self._line, self._name = line, name
        self.level = False

    def drive(self, level: bool) -> None:
        if level is not self.level:
            self.level = level
            self._line.set_pin(self._name, level)

    def safe(self) -> None:
        self.drive(False)

    def close(self) -> None:
        self.safe()


class _LineInput:
    """An input of the device: a wire on the line; satisfies ``Input``."""

    def __init__(self, level: bool = False) -> None:
        self.level = level
        self.on_edge: Callable[[bool, int], None] = lambda _level, _at: None

    def set(self, level: bool, at_ns: int) -> None:
        if level is not self.level:
            self.level = level
            self.on_edge(level, at_ns)

    def close(self) -> None:
        self.on_edge = lambda _level, _at: None


def main() -> int:
    """Run until standard input ends; the exit status."""
    child.end_soon()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(sys.stdin.readline())
    bench = bench_file.load(Path(order["bench"]), order.get("overlay") or {}, order.get("variant") or "")
    device = bench.devices[order["device"]]
    clock = RealClock()
    line = LineMessageLink(
        SerialByteLink(order["path"], BAUD, clock), bench.devices[bench.parties["access_control_broker"]].eui
    )
    plugs = Plugs(messages={"line": _Anybody(line)}, power=_LineInput())
    _wire(device, line, plugs, clock)
    store = assembly.store_of(bench, device)
    host = Host(device.name, assembly.maker(bench, device), clock, plugs, store, lambda _event: None)
    host.start()
    ended = threading.Event()
    threading.Thread(target=_watch_parent, args=(clock, ended), daemon=True).start()
    print(json.dumps({"ready": True}), flush=True)
    while not ended.is_set():
        clock.advance(clock.now + 1_000_000_000, ended.is_set)
    line.close()
    return 0


class _Anybody:
    """The line as the device sees it: whoever a message is for, there is one road; satisfies ``MessageLink``."""

    def __init__(self, line: LineMessageLink) -> None:
        self._line = line
        self.on_message: Callable[[bytes, bytes], None] = lambda _peer, _octets: None
        self.on_link: Callable[[bool], None] = lambda _up: None
        line.on_message = lambda peer, octets: self.on_message(peer, octets)

    @property
    def up(self) -> bool:
        return self._line.up

    def send(self, device: bytes, octets: bytes) -> None:  # noqa: ARG002 - one road
        self._line.send(self._line.device, octets)

    def close(self) -> None:
        self._line.close()


def _wire(device: bench_file.Device, line: LineMessageLink, plugs: Plugs, clock: RealClock) -> None:
    inputs: dict[str, _LineInput] = {}
    buttons: dict[str, _LineInput] = {}
    for name, pin in device.pins.items():
        if pin.kind == "output":
            plugs.outputs[name] = _LineOutput(line, name)
        elif pin.kind == "input":
            plugs.inputs[name] = inputs[name] = _LineInput()
        elif pin.kind == "button":
            plugs.buttons[name] = buttons[name] = _LineInput()

    def pin_changed(name: str, level: bool) -> None:
        if name in inputs:
            inputs[name].set(level, clock.now)

    def pressed(button: str, hold_ns: int) -> None:
        if button in buttons:
            now = clock.now
            buttons[button].set(True, now)
            clock.call_at(now + hold_ns, lambda: buttons[button].set(False, now + hold_ns))

    def power(on: bool) -> None:
        if isinstance(plugs.power, _LineInput):
            plugs.power.set(on, clock.now)

    line.on_pin, line.on_press, line.on_power = pin_changed, pressed, power


def _watch_parent(clock: RealClock, ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    ended.set()
    clock.post(lambda: None)


if __name__ == "__main__":
    sys.exit(main())
