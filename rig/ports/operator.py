"""The hands and eyes at a device: a person who is asked, or a script that acts on the virtual world.

    PortError
    ├── PortMissing      there is no such device or button
    └── PortUnable       the person could not do it

Must not live here: what a press does to a device.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rig.ports.protocols import Clock, PortMissing, PortUnable
from rig.world.nets import Net

__all__ = ["Button", "CallbackButton", "Deed", "DeviceFace", "NetButton", "PromptOperator", "ScriptedOperator"]


class Button(Protocol):
    """A button of the virtual world."""

    def down(self) -> None: ...

    def up(self, held_ns: int) -> None: ...


class NetButton:
    """A button that closes a net to a rail while it is held: to ground by default, as with a pull-up."""

    def __init__(self, net: Net, level: bool = False) -> None:
        self._driver = net.driver("button")
        self._level = level

    def down(self) -> None:
        self._driver.drive(self._level)

    def up(self, held_ns: int) -> None:  # noqa: ARG002 - the net has told its own story
        self._driver.drive(None)


class CallbackButton:
    """A button that calls ``released(held_ns)`` when it is let go, e.g. to put ``ButtonPressed`` into a machine."""

    def __init__(self, released: Callable[[int], None]) -> None:
        self._released = released

    def down(self) -> None:
        """Nothing happens until it is let go."""

    def up(self, held_ns: int) -> None:
        self._released(held_ns)


@dataclass(slots=True)
class DeviceFace:
    """What a person can touch and see of a virtual device.

    ``seal_broken`` and ``probe_moved`` are told to the device, if it cares.
    """

    display: Callable[[], str]
    buttons: Mapping[str, Button] = field(default_factory=dict)
    seal_broken: Callable[[], None] | None = None
    probe_moved: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that an operator did: ``what`` is press, read, break_seal or move_probe."""

    at_ns: int
    device: str
    what: str
    detail: str = ""


class _Operator:
    """What both share: knowing the devices, and keeping a list of deeds."""

    def __init__(self, buttons: Mapping[str, Collection[str]], clock: Clock) -> None:
        self._buttons = buttons
        self._clock = clock
        self.deeds: list[Deed] = []

    def _check(self, device: str, button: str | None = None) -> None:
        if device not in self._buttons:
            known = ", ".join(self._buttons) or "none"
            raise PortMissing("operator", f"there is no device {device!r} (there are: {known})", "Correct the name.")
        if button is not None and button not in self._buttons[device]:
            known = ", ".join(self._buttons[device]) or "none"
            raise PortMissing("operator", f"{device} has no button {button!r} (it has: {known})", "Correct the name.")

    def _did(self, device: str, what: str, detail: str = "") -> None:
        self.deeds.append(Deed(self._clock.now, device, what, detail))


class ScriptedOperator(_Operator):
    """The operator of the virtual bench; satisfies ``Operator``.

    A press goes down at once and comes up ``hold_ns`` later on the clock, but not before ``shortest_press_ns``: nobody
    taps faster (50 ms is our own default).
    """

    def __init__(self, devices: Mapping[str, DeviceFace], clock: Clock, shortest_press_ns: int = 50_000_000) -> None:
        super().__init__({name: face.buttons.keys() for name, face in devices.items()}, clock)
        self._devices = devices
        self._shortest_press_ns = shortest_press_ns

    def press(self, device: str, button: str, hold_ns: int) -> None:
        self._check(device, button)
        held = max(hold_ns, self._shortest_press_ns)
        self._did(device, "press", f"{button} {held}")
        target = self._devices[device].buttons[button]
        target.down()
        self._clock.call_at(self._clock.now + held, lambda: target.up(held))

    def read(self, device: str) -> str:
        self._check(device)
        shown = self._devices[device].display()
        self._did(device, "read", shown)
        return shown

    def break_seal(self, device: str) -> None:
        self._check(device)
        self._did(device, "break_seal")
        _tell(self._devices[device].seal_broken)

    def move_probe(self, device: str) -> None:
        self._check(device)
        self._did(device, "move_probe")
        _tell(self._devices[device].probe_moved)


def _tell(callback: Callable[[], None] | None) -> None:
    if callback is not None:
        callback()


REFUSALS = ("no", "n", "cannot", "can't", "impossible")
"""What a person answers when it could not be done."""


class PromptOperator(_Operator):
    """A person at the bench; satisfies ``Operator``.

    ``ask(text)`` shows a sentence and returns what was typed, e.g. ``input`` or a dialogue.  Any answer but a refusal
    (no, cannot, ...) means that it is done; a refusal raises :class:`PortUnable`.  ``devices`` are the names and their
    buttons, so that a slip in a test is found before anybody is asked.
    """

    def __init__(self, ask: Callable[[str], str], devices: Mapping[str, Collection[str]], clock: Clock) -> None:
        super().__init__(devices, clock)
        self._ask = ask

    def press(self, device: str, button: str, hold_ns: int) -> None:
        self._check(device, button)
        hold = f" and hold it for {hold_ns / 1e9:g} s" if hold_ns >= 500_000_000 else ""
        self._order(f"On {device}: press the button {button}{hold}. Type Enter when it is done, or no.")
        self._did(device, "press", f"{button} {hold_ns}")

    def read(self, device: str) -> str:
        self._check(device)
        shown = self._ask(f"On {device}: what does the display show? Type it as it stands.").strip()
        self._did(device, "read", shown)
        return shown

    def break_seal(self, device: str) -> None:
        self._check(device)
        self._order(f"On {device}: break the seal of the terminal cover. Type Enter when it is done, or no.")
        self._did(device, "break_seal")

    def move_probe(self, device: str) -> None:
        self._check(device)
        self._order(f"Move the optical probe to {device}. Type Enter when it is done, or no.")
        self._did(device, "move_probe")

    def _order(self, text: str) -> None:
        answer = self._ask(text).strip()
        if answer.casefold().rstrip(".!") in REFUSALS:
            raise PortUnable(
                "operator", f"asked {text!r}, the answer was {answer!r}", "Do it, then run the test again."
            )
