"""Operators: one suite for the script that acts on the virtual world and for the person who is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rig.ports.operator import CallbackButton, Deed, DeviceFace, NetButton, PromptOperator, ScriptedOperator
from rig.ports.protocols import Operator, PortMissing, PortUnable
from rig.world.clock import VirtualClock
from rig.world.nets import NetBoard, Pull

MS = 1_000_000
BUTTONS = {"esme": ("A", "B"), "hht": ()}


class Bench:
    """Two devices, what they show, what was done to them, and what a person was asked."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.net = NetBoard(self.clock).net("btn_a")
        self.net.pull("r", Pull.UP)
        self.edges: list[tuple[bool, int]] = []
        self.net.watch(lambda level, at: self.edges.append((level, at)))
        self.released: list[tuple[int, int]] = []
        self.told: list[str] = []
        self.asked: list[str] = []
        self.answers = {"what does the display show": "  ENABLED "}
        self.faces = {
            "esme": DeviceFace(
                display=lambda: "ENABLED",
                buttons={"A": NetButton(self.net), "B": CallbackButton(self._release)},
                seal_broken=lambda: self.told.append("seal"),
                probe_moved=lambda: self.told.append("probe"),
            ),
            "hht": DeviceFace(display=lambda: "READY"),
        }

    def _release(self, held_ns: int) -> None:
        self.released.append((held_ns, self.clock.now))

    def ask(self, text: str) -> str:
        self.asked.append(text)
        return next((answer for part, answer in self.answers.items() if part in text), "")

    def scripted(self) -> ScriptedOperator:
        return ScriptedOperator(self.faces, self.clock)

    def prompted(self) -> PromptOperator:
        return PromptOperator(self.ask, BUTTONS, self.clock)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture(params=["scripted", "prompted"])
def operator(request: pytest.FixtureRequest, bench: Bench) -> ScriptedOperator | PromptOperator:
    return bench.scripted() if request.param == "scripted" else bench.prompted()


def test_it_reads_what_the_display_shows(operator: Operator) -> None:
    assert operator.read("esme") == "ENABLED"


def test_every_deed_is_recorded_with_its_time(operator: ScriptedOperator | PromptOperator, bench: Bench) -> None:
    bench.clock.advance(7 * MS)
    operator.press("esme", "A", 3_000 * MS)
    operator.read("esme")
    operator.break_seal("esme")
    operator.move_probe("esme")
    assert operator.deeds == [
        Deed(7 * MS, "esme", "press", "A 3000000000"),
        Deed(7 * MS, "esme", "read", "ENABLED"),
        Deed(7 * MS, "esme", "break_seal"),
        Deed(7 * MS, "esme", "move_probe"),
    ]


DEEDS: list[tuple[Callable[[Operator], object], str]] = [
    (lambda operator: operator.press("gsme", "A", 0), "no device 'gsme' .there are: esme, hht"),
    (lambda operator: operator.press("esme", "C", 0), "esme has no button 'C' .it has: A, B"),
    (lambda operator: operator.press("hht", "A", 0), "it has: none"),
    (lambda operator: operator.read("gsme"), "no device"),
    (lambda operator: operator.break_seal("gsme"), "no device"),
    (lambda operator: operator.move_probe("gsme"), "no device"),
]


@pytest.mark.parametrize(("deed", "match"), DEEDS)
def test_a_slip_in_a_test_is_found_before_anything_is_done(
    operator: ScriptedOperator | PromptOperator, bench: Bench, deed: Callable[[Operator], object], match: str
) -> None:
    with pytest.raises(PortMissing, match=match):
        deed(operator)
    assert operator.deeds == []
    assert bench.asked == []


# ------------------------------------------------------------------------------------------------------ scripted alone


def test_a_press_closes_the_net_for_as_long_as_it_is_held(bench: Bench) -> None:
    bench.edges.clear()
    bench.scripted().press("esme", "A", 3_000 * MS)
    bench.clock.advance(10_000 * MS)
    assert bench.edges == [(False, 0), (True, 3_000 * MS)]


def test_nobody_taps_faster_than_he_can(bench: Bench) -> None:
    bench.scripted().press("esme", "B", 0)
    bench.clock.advance(10_000 * MS)
    assert bench.released == [(50 * MS, 50 * MS)]


def test_a_button_may_call_back_when_it_is_let_go(bench: Bench) -> None:
    bench.scripted().press("esme", "B", 2_000 * MS)
    bench.clock.advance(1_999 * MS)
    assert bench.released == []
    bench.clock.advance(3_000 * MS)
    assert bench.released == [(2_000 * MS, 2_000 * MS)]


def test_seal_and_probe_are_told_to_a_device_that_cares(bench: Bench) -> None:
    operator = bench.scripted()
    for device in ("esme", "hht"):
        operator.break_seal(device)
        operator.move_probe(device)
    assert bench.told == ["seal", "probe"]


# ------------------------------------------------------------------------------------------------------ prompted alone


def test_a_person_is_asked_in_plain_words(bench: Bench) -> None:
    operator = bench.prompted()
    operator.press("esme", "A", 3_000 * MS)
    operator.press("esme", "B", 0)
    operator.read("esme")
    operator.break_seal("esme")
    operator.move_probe("hht")
    assert bench.asked == [
        "On esme: press the button A and hold it for 3 s. Type Enter when it is done, or no.",
        "On esme: press the button B. Type Enter when it is done, or no.",
        "On esme: what does the display show? Type it as it stands.",
        "On esme: break the seal of the terminal cover. Type Enter when it is done, or no.",
        "Move the optical probe to hht. Type Enter when it is done, or no.",
    ]


@pytest.mark.parametrize("answer", ["no", "No.", " cannot ", "N"])
def test_what_a_person_could_not_do_is_no_deed(bench: Bench, answer: str) -> None:
    bench.answers["press the button"] = answer
    operator = bench.prompted()
    with pytest.raises(PortUnable, match="press the button A"):
        operator.press("esme", "A", 0)
    assert operator.deeds == []
