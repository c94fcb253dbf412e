"""Digital outputs and inputs: one suite for virtual pins and for the kernel's lines through lgpio.

No GPIO hardware is needed: lgpio and gpiod are replaced by a small kernel of our own that keeps lines and records
claims, below gpiozero's own unchanged lgpio driver.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rig.ports.clock import RealClock
from rig.ports.gpio import (
    DwellError,
    GpioBank,
    InterlockError,
    NotArmedError,
    OutputSettings,
    pi_factory,
    virtual_factory,
)
from rig.ports.protocols import PortBusy, PortError, PortMissing
from rig.world.clock import VirtualClock
from rig.world.nets import NetBoard, Pull

MS = 1_000_000


class VirtualBench:
    """Pins of a virtual node, each on a net of its own."""

    def __init__(self) -> None:
        self.clock: Any = VirtualClock()
        self.board = NetBoard(self.clock)
        self._levels: dict[int, list[bool]] = {}
        nets = {pin: self.board.net(f"gpio{pin}") for pin in (12, 16, 20, 21, 26)}
        for pin, net in nets.items():
            self._levels[pin] = []
            net.watch(self._recorder(pin))
        self._hands = {pin: net.driver("hand") for pin, net in nets.items()}
        self.bank = GpioBank(virtual_factory(nets, self.clock), self.clock)

    def _recorder(self, pin: int) -> Callable[[bool, int], None]:
        return lambda level, _at: self._levels[pin].append(level)

    def level(self, pin: int) -> bool:
        return self.board.net(f"gpio{pin}").level

    def drive(self, pin: int, level: bool | None) -> None:
        self._hands[pin].drive(level)

    def history(self, pin: int) -> list[bool]:
        return self._levels[pin]

    def settle(self, until: Callable[[], bool]) -> bool:
        return bool(self.clock.advance(self.clock.now + 10 * MS, until))


class FakeKernel:
    """The lines behind lgpio's calls: modes, levels, who was claimed how."""

    def __init__(self) -> None:
        self.claims: list[tuple[int, str, int]] = []
        self.mode: dict[int, int] = {}
        self.output: dict[int, int] = {}
        self.hand: dict[int, bool | None] = {}
        self.alerts: dict[int, Callable[[int, int, int, int], None]] = {}
        self.busy: set[int] = set()
        self.open = 0

    def level(self, line: int) -> bool:
        mode = self.mode.get(line, 0)
        if mode & 2:
            return bool(self.output[line])
        held = self.hand.get(line)
        return bool(mode & 32) if held is None else held

    def claim(self, line: int, kind: str, mode: int, level: int = 0) -> int:
        if line in self.busy:
            raise self.error("GPIO busy")
        self.claims.append((line, kind, level))
        self.mode[line] = mode
        if kind == "output":
            self.output[line] = level
        return 0

    class error(Exception):  # noqa: N801 - lgpio's own spelling
        """lgpio's one exception."""

    def drive(self, line: int, level: bool | None) -> None:
        before = self.level(line)
        self.hand[line] = level
        if self.level(line) is not before and line in self.alerts:
            stamp = time.monotonic_ns() - 2 * MS  # the kernel saw it before user space did
            call = threading.Thread(target=self.alerts[line], args=(0, line, int(self.level(line)), stamp))
            call.start()
            call.join()

    def callback(self, _chip: int, line: int, _edges: int, function: Callable[[int, int, int, int], None]) -> Any:
        self.alerts[line] = function
        return SimpleNamespace(cancel=lambda: self.alerts.pop(line, None))

    def write(self, line: int, level: int) -> None:
        self.claims.append((line, "write", level))
        self.output[line] = level

    def modules(self) -> dict[str, ModuleType]:
        lgpio, gpiod = ModuleType("lgpio"), ModuleType("gpiod")
        constants = {"SET_PULL_NONE": 128, "SET_PULL_UP": 32, "SET_PULL_DOWN": 64}
        edges = {"BOTH_EDGES": 3, "RISING_EDGE": 1, "FALLING_EDGE": 2}
        calls: dict[str, Any] = {
            "error": self.error,
            "gpiochip_open": self._opened,
            "gpiochip_close": self._closed,
            "gpio_claim_input": lambda _chip, line, flags=0: self.claim(line, "input", flags),
            "gpio_claim_output": lambda _chip, line, level=0: self.claim(line, "output", 2, int(level)),
            "gpio_claim_alert": lambda _chip, line, _edges, flags=0: self.claim(line, "alert", flags),
            "gpio_free": lambda _chip, _line: 0,
            "gpio_get_mode": lambda _chip, line: self.mode.get(line, 0),
            "gpio_read": lambda _chip, line: int(self.level(line)),
            "gpio_write": lambda _chip, line, level: self.write(line, int(level)),
            "gpio_set_debounce_micros": self._debounced,
            "callback": self.callback,
        }
        vars(lgpio).update(constants | edges | calls)
        vars(gpiod)["Chip"] = _FakeChip
        return {"lgpio": lgpio, "gpiod": gpiod}

    def _debounced(self, _chip: int, _line: int, micros: int) -> int:
        assert micros == 0  # edges are raw
        return 0

    def _opened(self, chip: int) -> int:
        assert chip == 4
        self.open += 1
        return 77

    def _closed(self, _handle: int) -> None:
        self.open -= 1


class _FakeChip:
    """gpiod's chip: number 4 is the one behind the header."""

    def __init__(self, path: str) -> None:
        self._label = "pinctrl-rp1" if path.endswith("4") else "gpio-brcmstb"

    def __enter__(self) -> _FakeChip:
        return self

    def __exit__(self, *_: object) -> None: ...

    def get_info(self) -> SimpleNamespace:
        return SimpleNamespace(label=self._label)


class KernelBench:
    """The lines of a Raspberry Pi, through gpiozero's lgpio driver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel = FakeKernel()
        for name, module in self.kernel.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
        monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xD04170)
        monkeypatch.setattr("rig.ports.gpio.glob", lambda _pattern: ["/dev/gpiochip0", "/dev/gpiochip4"])
        self.clock: Any = RealClock()
        self.bank = GpioBank(pi_factory(), self.clock, threaded=True)

    def level(self, pin: int) -> bool:
        return self.kernel.level(pin)

    def drive(self, pin: int, level: bool | None) -> None:
        self.kernel.drive(pin, level)

    def history(self, pin: int) -> list[bool]:
        return [bool(level) for line, kind, level in self.kernel.claims if line == pin and kind in ("output", "write")]

    def settle(self, until: Callable[[], bool]) -> bool:
        return bool(self.clock.advance(self.clock.now + 2000 * MS, until))


Bench = VirtualBench | KernelBench


@pytest.fixture(params=["virtual", "lgpio"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = VirtualBench() if request.param == "virtual" else KernelBench(monkeypatch)
    yield made
    made.bank.close()
    sys.modules.pop("gpiozero.pins.lgpio", None)


# ------------------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("safe", [True, False])
def test_an_output_is_driven_only_while_armed(bench: Bench, active_high: bool, safe: bool) -> None:
    output = bench.bank.output("k", 16, OutputSettings(active_high=active_high, safe=safe))
    at_safe = safe is active_high
    assert (output.level, bench.level(16)) == (safe, at_safe)
    with pytest.raises(NotArmedError, match="not armed"):
        output.drive(not safe)
    assert (output.level, bench.level(16)) == (safe, at_safe)
    output.arm()
    output.drive(not safe)
    assert (output.level, bench.level(16)) == (not safe, not at_safe)
    output.disarm()
    assert (output.level, bench.level(16)) == (safe, at_safe)


def test_an_active_low_output_never_blips_when_it_is_claimed(bench: Bench) -> None:
    bench.drive(16, True)  # the pull-up of an active-low relay board
    before = len(bench.history(16))
    bench.bank.output("k", 16, OutputSettings(active_high=False))
    assert False not in bench.history(16)[before:]
    assert bench.level(16) is True


def test_two_outputs_of_an_interlock_are_never_on_together(bench: Bench) -> None:
    a, b = (bench.bank.output(f"k{pin}", pin, OutputSettings(interlock="contactor")) for pin in (16, 20))
    other = bench.bank.output("lamp", 21)
    bench.bank.arm()
    a.drive(True)
    other.drive(True)
    with pytest.raises(InterlockError, match="k16 is on"):
        b.drive(True)
    assert bench.level(20) is False
    a.drive(False)
    b.drive(True)
    assert bench.level(20) is True


def test_disarming_the_bank_makes_everything_safe(bench: Bench) -> None:
    outputs = [bench.bank.output(f"k{pin}", pin) for pin in (16, 20)]
    bench.bank.arm()
    for output in outputs:
        output.drive(True)
    bench.bank.disarm()
    assert [bench.level(16), bench.level(20)] == [False, False]


def test_an_output_that_ran_out_of_time_goes_off_by_itself(bench: Bench) -> None:
    output = bench.bank.output("k", 16, OutputSettings(longest_on_ns=3 * MS))
    output.arm()
    output.drive(True)
    assert bench.settle(lambda: not bench.level(16))
    assert (output.level, output.trips) == (False, 1)
    with pytest.raises(DwellError, match="ran out"):
        output.drive(True)
    output.drive(False)
    output.drive(True)
    assert output.level


def test_a_closed_output_is_safe_and_its_pin_is_free(bench: Bench) -> None:
    output = bench.bank.output("k", 16)
    output.arm()
    output.drive(True)
    output.close()
    output.close()
    again = bench.bank.output("k", 16)
    assert (again.level, again.armed, bench.level(16)) == (False, False, False)


@pytest.mark.parametrize(("pin", "kind"), [(16, PortBusy), (99, PortMissing)])
def test_a_pin_that_cannot_be_had(bench: Bench, pin: int, kind: type[PortError]) -> None:
    bench.bank.output("k", 16)
    with pytest.raises(kind, match=f"GPIO{pin}"):
        bench.bank.output("second", pin)
    with pytest.raises(kind, match=f"GPIO{pin}"):
        bench.bank.input("third", pin)


# -------------------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("pull", list(Pull))
def test_an_input_reads_its_logical_level(bench: Bench, pull: Pull, active_high: bool) -> None:
    port = bench.bank.input("aux", 21, pull, active_high=active_high)
    edges: list[bool] = []
    port.on_edge = lambda level, _at: edges.append(level)
    if pull is not Pull.NONE:
        assert port.level is (pull.value is active_high)
    levels = (not bench.level(21), bench.level(21))
    for count, level in enumerate(levels, 1):
        bench.drive(21, level)
        assert bench.settle(lambda count=count: len(edges) == count)  # type: ignore[misc]
        assert port.level is (level is active_high)
    assert edges == [level is active_high for level in levels]


def test_a_closed_input_hears_nothing_more(bench: Bench) -> None:
    port = bench.bank.input("aux", 21)
    edges: list[bool] = []
    port.on_edge = lambda level, _at: edges.append(level)
    port.close()
    port.close()
    bench.drive(21, False)
    bench.drive(21, True)
    assert not bench.settle(lambda: bool(edges)) if isinstance(bench, VirtualBench) else True
    bench.clock.run_due()
    assert edges == []


def test_closing_the_bank_gives_everything_back(bench: Bench) -> None:
    output, port = bench.bank.output("k", 16), bench.bank.input("aux", 21)
    bench.bank.close()
    output.close()
    port.close()
    assert bench.bank.outputs == []


# ------------------------------------------------------------------------------------------------ virtual pins alone


def test_edges_on_the_virtual_clock_are_exact_and_in_order() -> None:
    bench = VirtualBench()
    with bench.bank:
        port = bench.bank.input("aux", 21, Pull.DOWN, active_high=True)
        edges: list[tuple[bool, int]] = []
        port.on_edge = lambda level, at: edges.append((level, at))
        for at, level in ((8_000_000, True), (8_500_000, False), (8_500_001, True)):
            bench.clock.call_at(at, lambda level=level: bench.drive(21, level))
        bench.clock.advance(10 * MS)
        assert edges == [(True, 8_000_000), (False, 8_500_000), (True, 8_500_001)]


def test_an_output_of_one_node_is_an_input_of_another() -> None:
    bench = VirtualBench()
    wire = bench.board.net("gpio16")
    other = GpioBank(virtual_factory({5: wire}, bench.clock), bench.clock)
    with bench.bank, other:
        output = bench.bank.output("sync", 16)
        port = other.input("sync", 5, Pull.DOWN, active_high=True)
        output.arm()
        output.drive(True)
        assert port.level is True


def test_a_pulse_of_exactly_the_longest_time_is_legal() -> None:
    bench = VirtualBench()
    with bench.bank:
        output = bench.bank.output("coil", 16, OutputSettings(longest_on_ns=100 * MS))
        output.arm()
        output.drive(True)
        bench.clock.call_at(100 * MS, lambda: output.drive(False))
        bench.clock.advance(200 * MS)
        assert output.trips == 0


def test_the_shortest_off_time() -> None:
    bench = VirtualBench()
    with bench.bank:
        output = bench.bank.output("coil", 16, OutputSettings(shortest_off_ns=50 * MS))
        output.arm()
        output.drive(True)
        output.drive(False)
        bench.clock.advance(49 * MS)
        with pytest.raises(DwellError, match="49 ms"):
            output.drive(True)
        bench.clock.advance(50 * MS)
        output.drive(True)


def test_settings_that_contradict_themselves() -> None:
    with pytest.raises(ValueError, match="safe when on"):
        OutputSettings(safe=True, longest_on_ns=1)


# --------------------------------------------------------------------------------------------------- real pins alone


def test_edges_carry_the_time_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = KernelBench(monkeypatch)
    with bench.bank:
        port = bench.bank.input("aux", 21)
        edges: list[tuple[bool, int, int]] = []
        port.on_edge = lambda level, at: edges.append((level, at, threading.get_ident()))
        before = bench.clock.now
        bench.drive(21, False)
        after = bench.clock.now
        assert bench.settle(lambda: bool(edges))
        ((level, at, thread),) = edges
        assert level is True
        assert thread == threading.get_ident()  # handed over to the executor
        assert before - 2 * MS - 1000 <= at <= after - 2 * MS + 1000
    assert bench.kernel.open == 0


def test_a_line_that_another_process_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = KernelBench(monkeypatch)
    with bench.bank:
        bench.kernel.busy.add(26)
        with pytest.raises(PortBusy, match="GPIO busy"):
            bench.bank.output("k", 26)


def test_no_chip_with_that_label(monkeypatch: pytest.MonkeyPatch) -> None:
    KernelBench(monkeypatch).bank.close()
    with pytest.raises(PortMissing, match="gpio-brcmstb, pinctrl-rp1"):
        pi_factory(("pinctrl-bcm2711",))


def test_without_the_libraries_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ImportError(name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(PortMissing, match="install the extra 'pi'"):
        pi_factory()
