"""A device that runs in another process, wired into the virtual bench through a pseudo terminal.

Must not live here: what is on the line (``rig.ports.message_line``), the other process (``device_process``).
"""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rig import child
from rig.node.bench_file import Bench, Device
from rig.node.clocks import BenchClock
from rig.node.virtual_world import VirtualWorld
from rig.ports.bytelink import PtyEnd
from rig.ports.message_line import LineMessageLink
from rig.ports.protocols import PortLost
from rig.world.nets import Driver, Net

__all__ = ["ExternalDevice"]

START_S = 20.0
STOP_S = 1.0
"""A device that hangs must not hold up the end of a run."""


class ExternalDevice:
    """The process of one device and the line to it.  While it runs the bench clock follows real time."""

    def __init__(
        self,
        bench: Bench,
        overlay: dict[str, Any],
        variant: str,
        device: Device,
        clock: BenchClock,
        world: VirtualWorld,
    ) -> None:
        self.device = device
        self._clock = clock
        self._pty = PtyEnd(clock, device.name)
        self.link = LineMessageLink(self._pty, device.eui, where=device.name)
        self._drivers: dict[str, Driver] = {}
        self.inputs: dict[str, Callable[[], bool]] = {}
        self._closed = False
        self._process = self._spawn(bench, overlay, variant)
        clock.attach()
        self._wire(device, world)

    def press(self, button: str, hold_ns: int) -> None:
        """Press a button of the device."""
        self.link.press(button, hold_ns)

    def check(self) -> None:
        """The process must be there.  Raises :class:`PortLost` where it ended: a bench that broke, not its device."""
        status = self._process.poll()
        if status is not None:
            how = f"the process of the device ended with status {status}"
            self.link.lose(how)
            raise PortLost(
                self.device.name,
                how,
                "See its messages above; prepare the premises again.",
            )

    def close(self) -> None:
        """End the process; its outputs go low, as those of a device without power."""
        if self._closed:
            return
        self._closed = True
        self._clock.detach()
        for driver in self._drivers.values():
            driver.drive(False)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self.link.close()

    def _spawn(self, bench: Bench, overlay: dict[str, Any], variant: str) -> subprocess.Popen[bytes]:
        process = child.start("rig.node.device_process")
        assert process.stdin is not None
        assert process.stdout is not None
        order = {
            "bench": bench.source,
            "overlay": overlay,
            "variant": variant,
            "device": self.device.name,
            "path": self._pty.path,
        }
        with suppress(BrokenPipeError):  # it ended at once, which is told below
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        heard, _, _ = select.select([process.stdout], [], [], START_S)
        if not heard or not process.stdout.readline():
            how = "ended before it was up" if heard else f"is not up after {START_S:g} s"
            process.kill()
            with suppress(BrokenPipeError):
                process.communicate()
            self.link.close()
            raise PortLost(self.device.name, f"the process of the device {how}", "See its messages above.")
        return process

    def _wire(self, device: Device, world: VirtualWorld) -> None:
        """Coils drive nets; contacts and the supply are told, by their logical levels, now and at every edge."""
        nets = world.pins(device.node)
        for name, pin in device.pins.items():
            net = nets[pin.gpio]
            if pin.kind == "output":
                self._drivers[name] = net.driver(f"{device.name}.{name}")
                self._drivers[name].drive(False)
            elif pin.kind == "input":
                self.inputs[name] = lambda net=net: not net.level  # type: ignore[misc]
                self._tell(net, _pin_teller(self.link, name))
            elif pin.kind == "power":
                self._tell(net, self.link.power)
        self.link.on_pin = self._driven

    def _driven(self, name: str, level: bool) -> None:
        if name in self._drivers:
            self._drivers[name].drive(level)

    def _tell(self, net: Net, tell: Callable[[bool], None]) -> None:
        """Inputs are pulled up and close to ground: low is on."""

        def follow(level: bool, _at_ns: int) -> None:
            if not self._closed:
                try:
                    tell(not level)
                except PortLost:
                    self.close()

        net.watch(follow)
        tell(not net.level)


def _pin_teller(link: LineMessageLink, name: str) -> Callable[[bool], None]:
    return lambda level: link.set_pin(name, level)
