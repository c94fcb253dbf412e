"""The taps of a whole bench: a premises is installed, and what crossed is known without a word of any machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devices.machines import core
from devices.wire import pcap
from rig.evidence import chart
from rig.evidence.crossings import Ends, Fate, crossings
from rig.host.host import Host
from rig.node.captures import AIR, LINKS
from rig.node.commands import Commands
from rig.share import folder
from tests.node.test_commands import SECOND, Desk

BENCHES = folder("wiring") / "benches"
MESSAGES = ("gbcs.tx", "gbcs.rx")


class Installed(Desk):
    """A shipped bench on which the meter is admitted, joins, and answers two commands; the WAN goes in between."""

    def __init__(self, name: str, evidence: Path | None = None) -> None:
        self.commands = Commands(BENCHES / f"{name}.yaml", {}, evidence)
        self.handlers = self.commands.handlers()
        self.events = []
        self.commands.recorder.listen(self.events.append)
        self.call("evidence.open", name="a-test")
        self.up()
        try:
            self._install()
        finally:
            self.manifest = self.call("evidence.close")
            self.close()

    def _ask(self, use_case: str, device: str, **args: Any) -> None:
        eui = self.commands.bench.devices[device].eui.hex()
        values = {"use_case": use_case, "device": eui, **args}
        self.call("device.ask", device=args.pop("by", "supplier"), request="command", values=values)
        self.call("clock.advance", span_ns=30 * SECOND)

    def _install(self) -> None:
        devices = self.commands.bench.devices
        self.call("clock.advance", span_ns=30 * SECOND)
        meter = {
            "device": devices["esme"].eui.hex(),
            "install_code": devices["esme"].install_code.hex(),
            "device_type": "ESME",
            "join_time": 600,
        }
        admit = {"use_case": "CCS01", "device": devices["hub"].eui.hex(), "args": meter}
        on_behalf = {"on_behalf": devices["supplier"].eui.hex(), "counter": 7}
        self.call("device.ask", device="broker", request="command", values={**admit, **on_behalf})
        self.call("clock.advance", span_ns=120 * SECOND)
        self._ask("ECS52", "esme")
        self.call("wan.set", device="hub", up=False)
        self.call("clock.advance", span_ns=30 * SECOND)
        self.call("wan.set", device="hub", up=True)
        self._ask("ECS45", "esme")
        self.endpoints = self.call("tap.endpoints", device="esme", since=0)
        assert self.commands.premises is not None
        hosts = self.commands.premises.hosts
        for sender, receiver, cluster in (("esme", "hub", 0x0704), ("hub", "esme", 0x0704), ("esme", "hub", 0x000A)):
            hosts[sender].send(core.Send("han", devices[receiver].eui, bytes.fromhex("10070b0289"), cluster))
        self.call("clock.advance", span_ns=SECOND)

    @property
    def ends(self) -> Ends:
        return Ends.described(self.call("bench.describe")["devices"])

    @property
    def crossed(self) -> list[Mapping[str, Any]]:
        return [event for event in self.events if event["kind"] in MESSAGES]


def told_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no host records anything that its machine tells."""
    grant = Host._grant

    def deaf(host: Host, effect: core.Effect) -> None:
        if not isinstance(effect, core.Record):
            grant(host, effect)

    monkeypatch.setattr(Host, "_grant", deaf)


@pytest.fixture(scope="module", params=["virtual", "direct"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(request.param, tmp_path_factory.mktemp(request.param))


def name_of(installed: Installed) -> str:
    return installed.commands.bench.name


def test_without_any_record_of_a_machine_the_same_arrows_are_drawn(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_less(monkeypatch)
    silent = Installed(name_of(installed))
    shown = [[(e["kind"], e["at_ns"], e["fields"]) for e in one.crossed] for one in (installed, silent)]
    assert shown[0] == shown[1]
    assert len(silent.events) < len(installed.events), "the machines told something before"
    arrows = [
        [(c.source, c.target, c.fate, c.took_ns) for c in crossings(one.crossed, one.ends).values()]
        for one in (installed, silent)
    ]
    assert arrows[0] == arrows[1]
    assert Counter(fate for _, _, fate, _ in arrows[0])[Fate.RECEIVED] > 10
    assert chart.draw("t", installed.crossed, installed.ends).count("✕") == 0


def test_every_message_that_left_arrived_and_none_came_from_nowhere(installed: Installed) -> None:
    fates = Counter(crossing.fate for crossing in crossings(installed.crossed, installed.ends).values())
    assert set(fates) == {Fate.RECEIVED}


def test_every_link_that_was_used_is_in_a_capture(installed: Installed, tmp_path: Path) -> None:
    files = {entry["name"]: Path(entry["path"]) for entry in installed.manifest["files"]}
    with files[LINKS].open("rb") as file:
        packets = list(pcap.read(file))
    used = {"gateway supplier", "wan hub"} | ({"han hub"} if AIR not in files else set())
    assert {packet.interface for packet in packets} == used
    held = Counter(pcap.exported(packet.octets)[1].hex() for packet in packets)
    on_air = ("han", "interpan") if AIR in files else ()
    sent = Counter(
        event["fields"]["octets"]
        for event in installed.crossed
        if event["kind"] == "gbcs.tx" and event["fields"]["port"] not in on_air
    )
    assert held == sent
    assert installed.manifest["absent"] == ({} if AIR in files else {AIR: "this bench has no virtual air"})


def test_the_endpoints_that_radios_hear_are_remembered(installed: Installed) -> None:
    told = installed.endpoints
    assert told["whole"] is True
    ends = [{name: value for name, value in one.items() if name != "frames"} for one in told["heard"]]
    radios = installed.commands.bench.name == "virtual"
    assert ends == ([{"at": "hub", "from": 1, "to": 1}] if radios else [])
    assert (told["set"].get("esme"), "hht" in told["set"]) == (1 if radios else None, False)


def test_whoever_is_refused_a_frame_has_it_on_the_time_line_and_on_the_chart(installed: Installed) -> None:
    refused = [event["fields"] for event in installed.events if event["kind"] == "zcl.refused"]
    assert [(one["device"], one["cluster"], one["command"], one["reason"]) for one in refused] == [
        ("hub", "0x0704", 2, "insufficient space"),
        ("esme", "0x0704", 2, "insufficient space"),
        ("hub", "0x000A", 2, "insufficient space"),
    ]
    assert "han: command 2 of cluster 0x000A refused: insufficient space" in chart.draw(
        "t", installed.events, installed.ends
    )


def test_frames_are_told_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.node.commands.PAGE", 3)
    desk = Desk().up()
    desk.call("clock.advance", span_ns=30 * SECOND)
    for number in range(7):
        desk.call("interpan.send", device="hht", hub="hub", cluster=0x0702, octets=f"00{number:02x}000000")
    first = desk.call("tap.frames", device="hht", since=0)
    second = desk.call("tap.frames", device="hht", since=0, skip=3)
    third = desk.call("tap.frames", device="hht", since=0, skip=6)
    desk.close()
    assert [page["more"] for page in (first, second, third)] == [True, True, False]
    told = [frame["octets"] for page in (first, second, third) for frame in page["frames"]]
    assert told == [f"00{number:02x}000000" for number in range(7)]


def test_frames_are_remembered_for_whoever_asks(installed: Installed) -> None:
    desk = Desk().up()
    desk.call("clock.advance", span_ns=30 * SECOND)
    desk.call("interpan.send", device="hht", hub="hub", cluster=0x0702, octets="0001000000")
    desk.call("clock.advance", span_ns=SECOND)
    told = desk.call("tap.frames", device="hht", since=0)
    assert told["whole"] is True
    (sent,) = (frame for frame in told["frames"] if frame["device"] == "hht" and frame["out"])
    assert (sent["port"], sent["cluster"], sent["octets"]) == ("interpan", 0x0702, "0001000000")
    assert desk.commands.recorder.frames_since(10**9)[1] == []
    hub = desk.commands.bench.devices["hub"].eui.hex()
    assert told["met"] == []
    assert desk.call("tap.frames", device="hht", since=10**9)["met"] == [
        {"device": "hht", "port": "interpan", "peer": hub}
    ]
    desk.close()
