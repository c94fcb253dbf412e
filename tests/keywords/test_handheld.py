"""What a terminal reports is held against the taps: its list of hubs, that a command was answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.wire import eui64, gbcs
from rig.bus.messages import Event
from rig.keywords import handheld, hub, meter
from rig.keywords.handheld import HandHeld
from rig.keywords.judge import Misused, Unmet, judge
from rig.keywords.session import Session
from rig.keywords.silence import Loaded

HUB, OTHER = "00db1234567890a2", "00db1234567891a2"
DEVICES: Mapping[str, Any] = {
    "hub": {"kind": "comms_hub", "eui": HUB},
    "hht": {"kind": "hht", "eui": "00db1234567890b0"},
}


class Scanned(Session):
    """A session in which the terminal's radio heard these networks, scan by scan; ``sent``: the hub's beacon on the
    air; ``asked``: the terminal's request at the hub."""

    def __init__(self, scans: list[list[str]], sent: int | None = None, asked: int | None = None) -> None:
        super().__init__()
        self.devices, self._sent, self._asked = dict(DEVICES), sent, asked
        self.events = [self._event(order, heard) for order, heard in enumerate(scans, 1)]

    @staticmethod
    def _event(order: int, heard: list[str]) -> Event:
        fields = {"device": "hht", "port": "interpan", "networks": heard}
        return Event(order, 1, "boot", "hht", "radio.beacons", order, fields)

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        assert verb in ("supply.sense", "tap.beacon"), (device, args)
        return (
            {"good": True, "by": "a pin"} if verb == "supply.sense" else {"at_ns": self._sent, "asked_ns": self._asked}
        )


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    yield
    judge().begin("")


@pytest.mark.parametrize(
    ("listed", "scans", "sent", "ending"),
    [
        ([HUB], [[HUB]], 5, ""),
        (["00-DB-12-34-56-78-90-A2"], [[], [HUB]], 5, ""),
        ([HUB], [[OTHER]], None, "expected a beacon of hub at the radio of hht, got none"),
        ([HUB], [], 5, "expected a beacon of hub at the radio of hht, got none"),
        ([], [[HUB]], 5, "for its beacon came to hht"),
        ([OTHER], [[OTHER, HUB]], 5, "for its beacon came to hht"),
        ([], [[]], None, "expected hub among the hubs found, got none"),
        ([], [[HUB], []], None, "expected hub among the hubs found, got none"),
        ([], [[]], 5, "INFRA: .*hub sent a beacon at 0.000000 s, and it did not come to hht"),
    ],
)
def test_a_list_is_judged_by_what_was_on_the_air(
    monkeypatch: pytest.MonkeyPatch, listed: list[str], scans: list[list[str]], sent: int | None, ending: str
) -> None:
    now = Scanned(scans, sent, asked=4)
    monkeypatch.setattr(handheld, "session", lambda: now)
    if not ending:
        HandHeld().hub_should_be_among("hub", listed)
        return
    with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
        HandHeld().hub_should_be_among("hub", listed)


def test_a_hub_to_which_no_beacon_request_came_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handheld, "session", lambda: Scanned([[]]))
    with pytest.raises(SkipExecution, match=r"INFRA: .*no tap has a beacon request of hht arriving at hub"):
        HandHeld().hub_should_be_among("hub", [])


@pytest.mark.parametrize(("kind", "ends"), [("radio.network", True), ("hub.network", False)])
def test_a_hub_is_in_its_network_by_its_radio_and_not_by_its_own_word(
    monkeypatch: pytest.MonkeyPatch, kind: str, *, ends: bool
) -> None:
    now = Started(kind)
    monkeypatch.setattr(hub, "session", lambda: now)
    if ends:
        hub.expect_network("hub", 0)
        return
    with pytest.raises(Unmet, match="hub is the silent one: its supply was sensed"):
        hub.expect_network("hub", 0)


class Started(Session):
    """A session in which a hub with its supply told this, and nothing more comes."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        takes = {"boot": {"ns": 1_000_000_000, "basis": "ours", "declared": False}}
        self.devices = {
            "hub": {**DEVICES["hub"], "under_test": False, "takes": takes, "supply": "mains"},
            "esme": {"kind": "esme", "eui": "00db1234567890a0", "behind": None, "takes": {}},
        }
        fields = {"device": "hub", "port": "han", "epid": HUB, "pan": 1, "channel": 11}
        self.events = [Event(1, 1, "boot", "hub", kind, 7, fields)]

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        assert verb in ("supply.sense", "supply.switch", "operator.break_seal", "clock.advance"), (device, args)
        return {"good": True, "by": "a pin"}


@pytest.mark.parametrize(("under_test", "met"), [(False, ["network-up"]), (True, [])])
def test_a_hub_whose_radio_nobody_taps_has_met_nothing(
    monkeypatch: pytest.MonkeyPatch, *, under_test: bool, met: list[str]
) -> None:
    now = Started("radio.network")
    now.devices["hub"]["under_test"] = under_test
    monkeypatch.setattr(hub, "session", lambda: now)
    hub.Hub().power_cycle_hub("hub")
    assert [finding.expectation for finding in judge().findings] == met


def test_a_meter_on_a_line_of_its_own_has_met_nothing_by_being_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Started("radio.network")
    monkeypatch.setattr(meter, "session", lambda: now)
    meter.ElectricityMeter().wait_until_meter_is_reachable("esme")
    assert not judge().findings


class Asking(Session):
    """A session in which a terminal sends a frame to a hub under test and hears nothing; ``reason``: what its radio
    says became of the frame."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        time = {"ns": 1_000_000_000, "basis": "ours", "declared": False}
        takes = {"connect": time, "answer": time}
        self.devices = {name: {**told, "under_test": name == "hub", "takes": takes} for name, told in DEVICES.items()}
        fields = {"device": "hht", "port": "interpan", "peer": HUB, "reason": reason}
        self.events = [Event(1, 1, "boot", "hht", "send.failed", 7, fields)] if reason else []

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        frame = {"device": "hht", "at_ns": 5, "port": "interpan", "out": True, "peer": HUB, "cluster": 0x0704}
        if verb == "tap.frames":
            return {"whole": True, "more": False, "met": [], "frames": [{**frame, "octets": "01"}]}
        assert verb in ("supply.sense", "clock.advance", "device.ask"), (device, args)
        return {"good": True, "by": "a pin"}

    def _need_premises(self) -> None: ...


@pytest.mark.parametrize(
    ("reason", "infra"), [("", False), ("no acknowledgement", True), ("the channel was busy", True)]
)
def test_a_hub_under_test_that_got_nothing_has_not_kept_its_window_closed(
    monkeypatch: pytest.MonkeyPatch, reason: str, *, infra: bool
) -> None:
    now = Asking(reason)
    monkeypatch.setattr(handheld, "session", lambda: now)
    if infra:
        with pytest.raises(SkipExecution, match=r"INFRA: .*but nothing of hht came to hub"):
            HandHeld().hub_should_not_answer()
    else:
        HandHeld().hub_should_not_answer()


@pytest.mark.parametrize(("reason", "infra"), [("", False), ("no acknowledgement", True)])
def test_a_hub_under_test_that_got_nothing_has_dropped_nothing(
    monkeypatch: pytest.MonkeyPatch, reason: str, *, infra: bool
) -> None:
    now = Asking(reason)
    monkeypatch.setattr(hub, "session", lambda: now)
    with pytest.raises(SkipExecution, match=r"INFRA: .*no frame that it acknowledged") if infra else nullcontext():
        hub.Hub().firewall_should_drop()


@pytest.mark.parametrize(
    ("source", "destination", "as_set"), [(3, 5, True), (3, 0xFF, True), (4, 5, False), (3, 6, False)]
)
def test_frames_go_from_the_endpoint_of_one_to_that_of_the_other_or_to_all(
    monkeypatch: pytest.MonkeyPatch, source: int, destination: int, *, as_set: bool
) -> None:
    now = Started("radio.network")
    heard = [{"at": "hub", "from": source, "to": destination, "frames": 1}]
    told = {"set": {"esme": 3, "hub": 5}, "whole": True, "heard": heard}
    monkeypatch.setattr(now, "call", lambda *_, **__: told)
    monkeypatch.setattr(hub, "session", lambda: now)
    if as_set:
        hub.Hub().endpoints_should_be_as_set("esme")
        return
    with pytest.raises(Unmet, match="from endpoint 3 to endpoint 5 of hub"):
        hub.Hub().endpoints_should_be_as_set("esme")


def test_a_hub_that_the_bench_has_not_is_a_slip_and_starts_no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handheld, "session", lambda: Scanned([]))
    with pytest.raises(Misused, match="no device 'hup' on this bench; it has"):
        HandHeld().find_hubs("hup")


# --------------------------------------------------------------------------------------- the answer, at the tap

METER, SUPPLIER = "00db1234567890a0", "90b3d51f30010000"
OCTETS = gbcs.encode(gbcs.Message(1, 7, bytes.fromhex(SUPPLIER), bytes.fromhex(METER), 0x0053, b"\xd9")).hex()


def _crossed(kind: str, device: str, cra: str) -> tuple[str, dict[str, Any]]:
    ends = [eui64.text(bytes.fromhex(one)) for one in (SUPPLIER, METER)]
    originator, recipient = ends if cra == "command" else reversed(ends)
    fields = {"device": device, "port": "interpan", "cra": cra, "counter": 7, "octets": OCTETS}
    return kind, {**fields, "originator": originator, "recipient": recipient}


LEFT, CAME = _crossed("gbcs.tx", "hht", "command"), _crossed("gbcs.rx", "hht", "response")
AT_METER = _crossed("gbcs.rx", "esme", "command")


def _done(state: str) -> tuple[str, dict[str, Any]]:
    return "hht.done", {"device": "hht", "name": "ECS44", "state": state, "counter": 7}


class Applied(Session):
    """A session in which a terminal applied one command, and this came of it; nothing else comes."""

    def __init__(self, *came: tuple[str, dict[str, Any]]) -> None:
        super().__init__()
        takes = {"answer": {"ns": 1_000_000_000, "basis": "ours", "declared": False}}
        kinds = {"hub": ("comms_hub", HUB), "hht": ("hht", "00db1234567890b0"), "esme": ("esme", METER)}
        self.devices = {
            name: {"kind": kind, "eui": eui, "behind": "hub", "under_test": False, "takes": takes}
            for name, (kind, eui) in kinds.items()
        }
        self.loaded["ECS44"] = Loaded(OCTETS, 0)
        numbered = enumerate(came, 1)
        self._coming = [Event(order, order, "boot", "hht", kind, order, told) for order, (kind, told) in numbered]

    def ask(self, device: str, verb: str, /, **_: Any) -> Mapping[str, Any]:
        assert (device, verb) == ("hht", "apply")
        return {"picked": ["ECS44"]}

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        if verb == "clock.advance":
            self.events += self._coming
        assert verb in ("clock.advance", "supply.sense", "tap.frames"), (device, args)
        return {"good": None, "whole": True, "frames": [], "more": False, "met": []}


@pytest.mark.parametrize(
    ("came", "ending"),
    [
        ([LEFT, CAME, _done("answered")], ""),
        ([LEFT, CAME], ""),
        ([LEFT, _done("unanswered"), CAME], ""),
        ([LEFT, _done("answered"), CAME], "an answer to ECS44 at the tap of hht, got one at .* s, and hht reports one"),
        ([LEFT, _done("answered")], "an answer to ECS44 at the tap of hht, got none, and hht reports one at"),
        ([LEFT, _done("unanswered")], "INFRA: .*an answer to ECS44 .*left hht by interpan"),
        ([LEFT, AT_METER, _done("unanswered")], "INFRA: .*senses the supply of esme"),
    ],
)
def test_a_command_is_answered_by_the_tap_and_not_by_the_terminals_word(
    monkeypatch: pytest.MonkeyPatch, came: list[tuple[str, dict[str, Any]]], ending: str
) -> None:
    now = Applied(*came)
    monkeypatch.setattr(handheld, "session", lambda: now)
    if not ending:
        HandHeld().apply_and_wait("ECS44")
        return
    with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
        HandHeld().apply_and_wait("ECS44")
