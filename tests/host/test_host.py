"""The host: events in one order, effects granted in order, and power that is real to the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from devices.events import Event
from devices.events.bench import DisplayShown, PowerSwitched, SendingFailed
from devices.machines import core
from rig.host.host import Host, HostError, Plugs, Refused
from rig.host.store import MemoryStore, StoreError
from rig.ports.protocols import PortLost, PortMissing
from rig.world.clock import VirtualClock

PEER = bytes(range(8))
SECOND = 1_000_000_000
Reaction = Callable[[core.Event], Sequence[core.Effect]]


class Machine:
    """A machine that does what the test says, and remembers what it was told and when."""

    def __init__(self, reaction: Reaction) -> None:
        self.reaction = reaction
        self.told: list[core.Event] = []

    def handle(self, event: core.Event, now: int) -> Sequence[core.Effect]:
        self.told.append(event)
        return self.reaction(event)


class Link:
    """A message link; satisfies ``MessageLink``."""

    def __init__(self, up: bool = True) -> None:
        self.up = up
        self.sent: list[tuple[bytes, bytes]] = []
        self.fails: Exception | None = None
        self.on_message: Callable[[bytes, bytes], None] = lambda _peer, _octets: None
        self.on_link: Callable[[bool], None] = lambda _up: None

    def send(self, device: bytes, octets: bytes) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent.append((device, octets))

    def close(self) -> None: ...


class Pin:
    """An output or an input; satisfies ``Output`` and ``Input``."""

    def __init__(self, level: bool = False) -> None:
        self.level = level
        self.on_edge: Callable[[bool, int], None] = lambda _level, _at: None
        self.armed = True

    def drive(self, level: bool) -> None:
        if not self.armed:
            raise PortLost("pin", "the output is not armed", "Arm it.")
        self.set(level)

    def set(self, level: bool, at: int = 0) -> None:
        if level is not self.level:
            self.level = level
            self.on_edge(level, at)

    def safe(self) -> None:
        self.level = False

    def close(self) -> None: ...


class Radio:
    """A HAN or inter-PAN adapter that notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.on_event: Callable[[Any], None] = lambda _event: None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.asked.append((name, *args))


class Bench:
    """A host with something in each of its sockets."""

    def __init__(
        self, reaction: Reaction = lambda _event: [], *, powered: bool = True, store: MemoryStore | None = None
    ) -> None:
        self.reaction = reaction
        self.clock = VirtualClock()
        self.link, self.output, self.input, self.button, self.power = Link(), Pin(), Pin(), Pin(), Pin(powered)
        self.han, self.interpan = Radio(), Radio()
        self.store = store or MemoryStore()
        self.records: list[Event] = []
        self.lives: list[Machine] = []
        plugs = Plugs(
            messages={"wan": self.link},
            han={"han": self.han},  # type: ignore[dict-item]
            interpan={"interpan": self.interpan},  # type: ignore[dict-item]
            outputs={"relay": self.output},
            inputs={"aux": self.input},
            buttons={"a": self.button},
            power=self.power,
        )
        self.host = Host("esme", self._make, self.clock, plugs, self.store, self.records.append)

    def _make(self) -> Machine:
        self.lives.append(Machine(lambda event: self.reaction(event)))
        return self.lives[-1]

    @property
    def machine(self) -> Machine:
        return self.lives[-1]

    def started(self) -> Bench:
        self.host.start()
        return self

    def runs(self) -> bool:
        return self.host.powered


def on(kind: type, *effects: core.Effect) -> Reaction:
    return lambda event: effects if isinstance(event, kind) else []


# ------------------------------------------------------------------------------------------------------ life and power


def test_it_starts_with_what_an_earlier_life_kept_then_learns_of_its_links() -> None:
    bench = Bench()
    bench.store.put("supply", "ARMED")
    bench.started()
    assert bench.machine.told == [core.Started({"supply": "ARMED"}), core.LinkChanged("wan", True)]
    assert bench.han.asked == bench.interpan.asked == [("start",)]


def test_a_link_that_is_down_is_not_told_of() -> None:
    bench = Bench()
    bench.link.up = False
    assert bench.started().machine.told == [core.Started({})]


def test_without_power_it_starts_when_power_comes() -> None:
    bench = Bench(powered=False).started()
    assert not bench.runs()
    assert bench.lives == []
    bench.power.set(True)
    assert bench.machine.told[0] == core.Started({})


def test_power_loss_makes_a_new_machine_of_what_was_kept() -> None:
    bench = Bench(on(core.PowerLost, core.Persist("floors", [1, 2]))).started()
    old = bench.machine
    bench.clock.advance(5 * SECOND)
    bench.power.set(False)
    assert old.told[-1] == core.PowerLost()
    bench.clock.advance(12 * SECOND)
    bench.power.set(True)
    assert bench.machine is not old
    assert bench.machine.told[0] == core.PowerRestored({"floors": [1, 2]}, 7 * SECOND)
    assert [event.on for event in bench.records if isinstance(event, PowerSwitched)] == [True, False, True]


def test_the_display_is_dark_before_the_first_show_and_after_every_start() -> None:
    """Nothing, and no word of ours: in the life before power, in a life that shows nothing, and in the next one."""
    bench = Bench(powered=False)
    seen = [bench.host.display]
    bench.host.start()
    seen.append(bench.host.display)
    bench.power.set(True)
    seen.append(bench.host.display)
    bench.reaction = lambda event: [core.Show("hello")] if isinstance(event, core.ButtonPressed) else []
    bench.lives[-1].reaction = bench.reaction
    bench.host.deliver(core.ButtonPressed("a", 1))
    seen.append(bench.host.display)
    bench.power.set(False)
    bench.power.set(True)
    seen.append(bench.host.display)
    assert seen == ["", "", "", "hello", ""]


def test_without_power_timers_are_gone_outputs_low_radios_silent_and_the_display_dark() -> None:
    effects = (core.SetTimer("later", SECOND), core.Drive("relay", True), core.Show("supply on"))
    bench = Bench(on(core.Started, *effects)).started()
    assert (bench.output.level, bench.host.display) == (True, "supply on")
    bench.power.set(False)
    assert (bench.output.level, bench.host.display) == (False, "")
    assert bench.han.asked[-1] == bench.interpan.asked[-1] == ("stop",)
    bench.power.set(True)
    bench.clock.advance(2 * SECOND)
    told = [event for machine in bench.lives for event in machine.told]
    assert not any(isinstance(event, core.TimerFired) for event in told)


@pytest.mark.parametrize(("away", "sent"), [(9, []), (10, []), (11, [(PEER, b"AD1")])])
def test_what_is_left_for_stored_energy_is_sent_unless_power_is_back_by_then(away: int, sent: list[Any]) -> None:
    bench = Bench().started()
    bench.reaction = on(core.PowerLost, core.LastGasp(core.Send("wan", PEER, b"AD1"), 10 * SECOND + 1))
    bench.power.set(False)
    told = len(bench.machine.told)
    bench.clock.advance(away * SECOND)
    bench.power.set(True)
    bench.clock.advance(60 * SECOND)
    assert bench.link.sent == sent
    assert len(bench.lives[0].told) == told


def test_nothing_is_delivered_to_a_device_without_power() -> None:
    bench = Bench().started()
    bench.power.set(False)
    before = len(bench.machine.told)
    bench.link.on_message(PEER, b"octets")
    bench.link.on_link(False)
    bench.han.on_event(core.PeerJoined("han", PEER))
    bench.interpan.on_event(core.NetworksFound("interpan", ()))
    bench.input.set(True)
    bench.button.set(True)
    bench.button.set(False)
    assert len(bench.machine.told) == before
    bench.power.set(True)
    assert [type(event) for event in bench.machine.told] == [core.PowerRestored, core.LinkChanged]


def test_a_button_held_over_a_power_cut_is_no_press() -> None:
    bench = Bench().started()
    bench.power.set(False)
    bench.button.set(True, at=1)
    bench.power.set(True)
    bench.button.set(False, at=5 * SECOND)
    assert not any(isinstance(event, core.ButtonPressed) for event in bench.machine.told)


def test_power_that_goes_while_wishes_are_granted_leaves_the_rest_ungranted() -> None:
    """A contactor may cut the supply of its own meter: the wishes after it are those of a dead device.  What it wanted
    kept was kept before all of them."""
    wishes = (
        core.Send("wan", PEER, b"1"),
        core.Drive("relay", True),
        core.Drive("relay", True),
        core.Send("wan", PEER, b"2"),
        core.Persist("kept", 1),
    )
    bench = Bench(on(core.TimerFired, *wishes)).started()
    bench.output.on_edge = lambda level, _at: bench.power.set(False) if level else None
    bench.host.deliver(core.TimerFired("now"))
    assert bench.machine.told[-1] == core.PowerLost()
    assert not bench.output.level
    assert bench.link.sent == [(PEER, b"1")]
    assert bench.store.all() == {"kept": 1}


class Transactions(MemoryStore):
    """A store that notes its transactions, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []
        self.fails = False

    def put_all(self, values: Mapping[str, Any]) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        self.seen.append(dict(values))
        super().put_all(values)


WISHES = (
    core.Send("wan", PEER, b"answer"),
    core.Persist("floors", 6),
    core.Drive("relay", True),
    core.Persist("supply", "ARMED"),
    core.Persist("floors", 7),
)


def test_all_that_one_call_keeps_is_one_transaction() -> None:
    store = Transactions()
    bench = Bench(on(core.TimerFired, *WISHES), store=store).started()
    bench.host.deliver(core.TimerFired("now"))
    bench.host.deliver(core.TimerFired("again"))
    assert store.seen == 2 * [{"floors": 7, "supply": "ARMED"}]


def test_nothing_is_granted_when_nothing_can_be_kept() -> None:
    """An answer that left before its counter was kept would be given twice."""
    store = Transactions()
    bench = Bench(on(core.TimerFired, *WISHES), store=store).started()
    store.fails = True
    with pytest.raises(StoreError):
        bench.host.deliver(core.TimerFired("now"))
    assert bench.link.sent == []
    assert not bench.output.level


def test_power_can_go_while_outputs_are_disarmed() -> None:
    bench = Bench(on(core.Started, core.Drive("relay", True))).started()
    bench.output.armed = False
    bench.power.set(False)
    assert not bench.output.level
    assert not bench.runs()


def test_a_device_without_a_power_pin_always_has_power() -> None:
    lives: list[Machine] = []

    def make() -> Machine:
        lives.append(Machine(lambda _event: []))
        return lives[-1]

    host = Host("supplier", make, VirtualClock(), Plugs(), MemoryStore(), lambda _event: None)
    host.start()
    assert host.powered
    assert lives[0].told == [core.Started({})]


# -------------------------------------------------------------------------------------------------------------- events


def test_what_ports_say_becomes_events() -> None:
    bench = Bench().started()
    del bench.machine.told[:]
    bench.link.on_message(PEER, b"octets")
    bench.link.on_link(False)
    bench.han.on_event(core.PeerLeft("han", PEER))
    bench.input.set(True)
    bench.button.set(True, at=10)
    bench.button.set(False, at=2010)
    assert bench.machine.told == [
        core.Received("wan", PEER, b"octets"),
        core.LinkChanged("wan", False),
        core.PeerLeft("han", PEER),
        core.PinChanged("aux", True),
        core.ButtonPressed("a", 2000),
    ]


def test_an_event_that_arises_while_another_is_handled_waits_its_turn() -> None:
    """The effects of one event are all granted before the next event is handled."""
    steps: list[str] = []

    def react(event: core.Event) -> Sequence[core.Effect]:
        steps.append(type(event).__name__)
        if isinstance(event, core.TimerFired):
            return [core.Drive("relay", True), core.Record(DisplayShown(text="after the edge"))]
        return [core.Record(DisplayShown(text="of the edge"))] if isinstance(event, core.PinChanged) else []

    bench = Bench(react).started()
    bench.output.on_edge = lambda level, _at: bench.input.set(level)
    del bench.records[:], steps[:]
    bench.host.deliver(core.TimerFired("now"))
    assert steps == ["TimerFired", "PinChanged"]
    assert bench.records == [DisplayShown(text="after the edge"), DisplayShown(text="of the edge")]


def test_events_that_wait_keep_their_order() -> None:
    def react(event: core.Event) -> Sequence[core.Effect]:
        return [core.Drive("relay", True)] if event == core.TimerFired("0") else []

    bench = Bench(react).started()

    def three_more(_level: bool, _at: int) -> None:
        for n in (1, 2, 3):
            bench.host.deliver(core.TimerFired(str(n)))

    bench.output.on_edge = three_more
    del bench.machine.told[:]
    bench.host.deliver(core.TimerFired("0"))
    assert bench.machine.told == [core.TimerFired(str(n)) for n in range(4)]


def test_a_machine_that_breaks_does_not_deafen_its_host() -> None:
    def react(event: core.Event) -> Sequence[core.Effect]:
        if event == core.TimerFired("bad"):
            raise ZeroDivisionError
        return []

    bench = Bench(react).started()
    with pytest.raises(ZeroDivisionError):
        bench.host.deliver(core.TimerFired("bad"))
    bench.host.deliver(core.TimerFired("good"))
    assert bench.machine.told[-1] == core.TimerFired("good")


# ------------------------------------------------------------------------------------------------------------- effects


@pytest.mark.parametrize(
    ("wish", "radio", "asked"),
    [
        (core.Send("han", PEER, b"1", 7, 3), "han", ("send", PEER, 7, b"1", 3)),
        (core.Send("interpan", PEER, b"1", 7, 3), "interpan", ("send", PEER, 7, b"1", 3)),
        (core.FormNetwork("han", PEER), "han", ("form", PEER)),
        (core.JoinNetwork("han", bytes(16), PEER), "han", ("join", bytes(16), PEER)),
        (core.LeaveNetwork("han"), "han", ("leave",)),
        (core.AdmitDevice("han", PEER, bytes(16)), "han", ("admit", PEER, bytes(16))),
        (core.ForgetDevice("han", PEER), "han", ("forget", PEER)),
        (core.OpenJoining("han", 60), "han", ("open_joining", 60)),
        (core.CloseJoining("han"), "han", ("close_joining",)),
        (core.Tune("interpan", 11, 0x1234), "interpan", ("tune", 11, 0x1234)),
        (core.ScanNetworks("interpan"), "interpan", ("scan",)),
        (core.ScanNetworks("han"), "han", ("scan",)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str | tuple) else "",
)
def test_radio_wishes_go_to_the_radio_of_their_port(wish: core.Effect, radio: str, asked: tuple[Any, ...]) -> None:
    bench = Bench(on(core.TimerFired, wish)).started()
    bench.host.deliver(core.TimerFired("now"))
    assert getattr(bench, radio).asked == [("start",), asked]


def test_a_timer_that_is_set_again_moves_and_one_that_is_stopped_is_forgotten() -> None:
    first = (
        core.SetTimer("a", SECOND),
        core.SetTimer("a", 3 * SECOND),
        core.SetTimer("b", 2 * SECOND),
        core.StopTimer("b"),
    )
    bench = Bench(on(core.Started, *first, core.StopTimer("unknown"))).started()
    bench.clock.advance(2 * SECOND)
    assert bench.machine.told[-1] == core.LinkChanged("wan", True)
    bench.clock.advance(10 * SECOND)
    assert [event for event in bench.machine.told if isinstance(event, core.TimerFired)] == [core.TimerFired("a")]


@pytest.mark.parametrize(
    "problem", [PortLost("wan", "the link is down", "Restore it."), PortMissing("wan", "gone", "Look.")]
)
def test_a_link_that_is_down_is_told_to_the_machine_and_no_error_of_the_bench(problem: PortLost | PortMissing) -> None:
    bench = Bench(
        on(core.TimerFired, core.Send("wan", PEER, b"1", token=9), core.Record(DisplayShown(text="next")))
    ).started()
    bench.link.fails = problem
    bench.host.deliver(core.TimerFired("now"))
    assert bench.machine.told[-1] == core.SendFailed("wan", PEER, 9, problem.problem)
    assert [event.kind for event in bench.records][-2:] == ["send.failed", "display"]


def test_whoever_asks_for_no_word_of_a_failure_gets_none() -> None:
    bench = Bench(on(core.TimerFired, core.Send("wan", PEER, b"1"))).started()
    bench.link.fails = PortLost("wan", "the link is down", "Restore it.")
    bench.host.deliver(core.TimerFired("now"))
    assert bench.machine.told[-1] == core.TimerFired("now")
    assert bench.records[-1] == SendingFailed(port="wan", peer=PEER, reason="the link is down")


@pytest.mark.parametrize(
    "wish",
    [core.Send("acb", PEER, b""), core.Drive("valve", True), core.FormNetwork("wan", PEER), core.Tune("han", 11, 1)],
)
def test_a_wish_for_what_nobody_plugged_in_names_device_and_port(wish: core.Effect) -> None:
    bench = Bench(on(core.TimerFired, wish)).started()
    with pytest.raises(
        HostError, match=r"esme uses the .*'(acb|valve|wan|han)', but the bench file plugs nothing into it"
    ):
        bench.host.deliver(core.TimerFired("now"))


def test_a_wish_that_no_host_knows_is_no_silence() -> None:
    bench = Bench(on(core.TimerFired, "fly")).started()  # type: ignore[arg-type]
    with pytest.raises(HostError, match="esme wishes for 'fly'"):
        bench.host.deliver(core.TimerFired("now"))


# -------------------------------------------------------------------------------------------------------------- asking


def test_asking_gives_the_answer() -> None:
    bench = Bench(on(core.Asked, core.Record(DisplayShown(text="busy")), core.Answer({"counter": 5}))).started()
    assert bench.host.ask("take_counter", {"a": 1}) == {"counter": 5}
    assert bench.machine.told[-1] == core.Asked("take_counter", {"a": 1})


def test_a_refusal_says_who_refused_and_why() -> None:
    bench = Bench(on(core.Asked, core.Refuse("expected a hub, got nothing"))).started()
    with pytest.raises(Refused, match=r"^esme: expected a hub, got nothing$"):
        bench.host.ask("connect", {})


def test_a_machine_error_is_a_refusal() -> None:
    def react(event: core.Event) -> Sequence[core.Effect]:
        if isinstance(event, core.Asked):
            raise core.MachineError("no verb 'fly'")
        return []

    bench = Bench(react).started()
    with pytest.raises(Refused, match=r"^esme: no verb 'fly'$"):
        bench.host.ask("fly", {})


def test_a_device_without_power_refuses() -> None:
    bench = Bench(on(core.Asked, core.Answer())).started()
    bench.power.set(False)
    with pytest.raises(Refused, match="esme has no power, so it cannot scan; restore its supply first"):
        bench.host.ask("scan", {})


@pytest.mark.parametrize("answers", [(), (core.Answer(), core.Answer()), (core.Answer(), core.Refuse("no"))])
def test_none_or_two_answers_are_a_fault_of_the_machine(answers: tuple[core.Effect, ...]) -> None:
    bench = Bench(on(core.Asked, *answers)).started()
    with pytest.raises(HostError, match=f"esme gave {len(answers)} answers to scan"):
        bench.host.ask("scan", {})


def test_an_answer_out_of_turn_is_not_taken_for_one_to_the_next_request() -> None:
    bench = Bench(lambda event: [core.Answer({"to": type(event).__name__})]).started()
    assert bench.host.ask("scan", {}) == {"to": "Asked"}


def test_safe_drives_every_output_to_its_safe_level_while_the_machine_runs() -> None:
    bench = Bench(on(core.Started, core.Drive("relay", True))).started()
    bench.host.safe()
    assert not bench.output.level
    assert bench.runs()
