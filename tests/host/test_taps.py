"""The taps of a host: what crossed its ports, told by nobody but the host."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from devices import machines
from devices.events import Event
from devices.events.bench import BeaconsHeard, RadioInNetwork, SendingFailed, TunnelGranted
from devices.events.hub import HubNetworkUp
from devices.events.messages import (
    FrameRefused,
    MessageIncomplete,
    MessageReceived,
    MessageSent,
    OutageNoticeReceived,
    OutageNoticeSent,
)
from devices.events.terminals import HubsFound
from devices.events.tunnels import TunnelOpened
from devices.machines import core
from devices.wire import gbcs, gbt, outage_notice, tunnelling
from devices.wire.outage_notice import OutageNotice
from rig.host.host import IN_ITS_PLACE, Host, HostError, Plugs
from rig.host.store import MemoryStore
from rig.host.taps import TappedFrame
from rig.ports.protocols import PortLost
from rig.world.clock import VirtualClock
from tests.host.test_host import PEER, SECOND, Link, Machine, Pin, Radio, Reaction

CLUSTER = tunnelling.CLUSTER
MACHINES = Path(machines.__file__).parent


def message(size: int = 300) -> bytes:
    body = random.Random(size).randbytes(size)
    return gbcs.encode(gbcs.Message(1, 9, bytes(8), PEER, 0x1C, body, mac=bytes(12)))


def transfer(octets: bytes) -> bytes:
    return tunnelling.encode(tunnelling.TransferData(1, octets, to_server=True), 0)


class Tapped:
    """A host whose machine does what a test says, with a message link, two radios and two lines inside its box."""

    def __init__(self, reaction: Reaction = lambda _event: []) -> None:
        self.clock, self.link, self.power = VirtualClock(), Link(), Pin(True)
        self.han, self.interpan, self.inside, self.copies = Radio(), Radio(), Radio(), Radio()
        self.events: list[Event] = []
        self.frames: list[TappedFrame] = []
        plugs = Plugs(
            messages={"wan": self.link},
            han={"han": self.han},  # type: ignore[dict-item]
            interpan={"interpan": self.interpan},  # type: ignore[dict-item]
            inside={"proxy": self.inside, "tap": self.copies},
            copies=frozenset({"tap"}),
            power=self.power,
        )
        make, store = (lambda: Machine(reaction)), MemoryStore()
        self.host = Host("esme", make, self.clock, plugs, store, self.events.append, self.frames.append)
        self.host.start()
        self.events.clear()

    def sends(self, *sends: core.Send) -> list[Event]:
        """What the taps tell when the machine sends this."""
        self.host.deliver(core.Asked("send", {"sends": sends}))
        return self.events

    def hears(self, radio: Radio, port: str, pieces: Sequence[bytes], cluster: int = CLUSTER) -> list[Event]:
        for piece in pieces:
            radio.on_event(core.Received(port, PEER, piece, cluster))
        return self.events


def obeying(event: core.Event) -> Sequence[core.Effect]:
    """Sends what it is asked to."""
    return list(event.args["sends"]) if isinstance(event, core.Asked) else []


@pytest.fixture
def bench() -> Tapped:
    return Tapped(obeying)


def test_a_message_is_tapped_when_it_goes_onto_its_link_and_when_it_comes_off(bench: Tapped) -> None:
    assert bench.sends(core.Send("wan", PEER, message())) == [MessageSent(port="wan", peer=PEER, octets=message())]
    bench.link.on_message(PEER, message(20))
    assert bench.events[1:] == [MessageReceived(port="wan", peer=PEER, octets=message(20))]


def test_the_notice_of_an_outage_is_told_as_what_it_is_and_as_no_message(bench: Tapped) -> None:
    octets = outage_notice.write(OutageNotice(PEER, 77))
    told = {"port": "wan", "peer": PEER, "hub": PEER, "started": 77}
    assert bench.sends(core.Send("wan", PEER, octets)) == [OutageNoticeSent(**told)]  # type: ignore[arg-type]
    bench.link.on_message(PEER, octets)
    assert bench.events[1:] == [OutageNoticeReceived(**told)]  # type: ignore[arg-type]


def test_what_a_link_does_not_take_is_not_sent(bench: Tapped) -> None:
    bench.link.fails = PortLost("wan", "the link is down", "Restore it.")
    assert [event.kind for event in bench.sends(core.Send("wan", PEER, message()))] == ["send.failed"]


def test_what_a_radio_could_not_send_is_tapped_at_its_port(bench: Tapped) -> None:
    bench.events.clear()
    bench.han.on_event(core.SendFailed("han", PEER, 7, "no acknowledgement"))
    assert bench.events == [SendingFailed(port="han", peer=PEER, reason="no acknowledgement")]


def test_frames_of_a_radio_port_make_one_message(bench: Tapped) -> None:
    pieces = [transfer(block) for block in gbt.split(message(), 100)]
    sent = bench.sends(*(core.Send("han", PEER, piece, CLUSTER) for piece in pieces))
    assert sent == [MessageSent(port="han", peer=PEER, octets=message())]
    assert len(bench.han.asked) == len(pieces) + 1  # and its start
    bench.events.clear()
    assert bench.hears(bench.interpan, "interpan", pieces) == [
        MessageReceived(port="interpan", peer=PEER, octets=message())
    ]


def test_what_goes_out_and_what_comes_in_are_apart(bench: Tapped) -> None:
    first, *rest = [transfer(block) for block in gbt.split(message(), 100)]
    bench.sends(core.Send("han", PEER, first, CLUSTER))
    assert bench.hears(bench.han, "han", rest) == []


def test_a_frame_that_its_radio_tells_to_be_lost_is_tapped_and_only_its_sender_is_told(bench: Tapped) -> None:
    told = bench.host._machine.told  # type: ignore[union-attr]
    for token in (7, IN_ITS_PLACE):
        bench.interpan.on_event(core.SendFailed("interpan", PEER, token, "no acknowledgement"))
    assert bench.events == [SendingFailed(port="interpan", peer=PEER, reason="no acknowledgement")] * 2
    assert [event.token for event in told if isinstance(event, core.SendFailed)] == [7]


@pytest.mark.parametrize("port", ["han", "interpan"])
@pytest.mark.parametrize(
    ("cluster", "frame", "reason"),
    [
        (CLUSTER, "10070b0289", "insufficient space"),
        (0x0702, "180a0b0a86", "unsupported attribute"),
        (0x000A, "140000f00b0a01", "failure"),
        (0x0702, "18050b0ae7", "status E7"),
        (CLUSTER, "10070b0200", None),  # success
        (CLUSTER, "10070b02", None),  # none of these: whoever gets it says so
        (0x0702, "11070b0289", None),  # a command of the cluster that has the same number
    ],
)
def test_a_default_response_that_refuses_is_told_whoever_gets_it(
    bench: Tapped, port: str, cluster: int, frame: str, reason: str | None
) -> None:
    octets = bytes.fromhex(frame)
    told = bench.hears(bench.han if port == "han" else bench.interpan, port, [octets], cluster)
    refusals = [event for event in told if isinstance(event, FrameRefused)]
    if reason is None:
        assert refusals == []
        return
    (refused,) = refusals
    assert (refused.port, refused.peer, refused.cluster) == (port, PEER, cluster)
    assert (refused.command, refused.status, refused.reason) == (octets[-2], octets[-1], reason)
    bench.events.clear()
    bench.sends(core.Send(port, PEER, octets, cluster))
    assert not any(isinstance(event, FrameRefused) for event in bench.events), "its sender refused nothing of its own"


def test_every_frame_is_handed_on_whatever_its_cluster(bench: Tapped) -> None:
    bench.sends(core.Send("han", PEER, b"\x00\x01\x02", 0x0702))
    bench.hears(bench.interpan, "interpan", [b"\x03"], 0x0800)
    assert bench.frames == [
        TappedFrame(0, "han", True, PEER, 0x0702, b"\x00\x01\x02"),
        TappedFrame(0, "interpan", False, PEER, 0x0800, b"\x03"),
    ]
    assert bench.events == []


def test_octets_that_are_no_message_are_told_as_they_crossed(bench: Tapped) -> None:
    assert bench.hears(bench.han, "han", [transfer(b"\xff\x01")]) == [
        MessageReceived(port="han", peer=PEER, octets=b"\xff\x01")
    ]


def test_a_line_inside_the_box_is_tapped_and_a_line_of_copies_is_not(bench: Tapped) -> None:
    sends = [core.Send("proxy", PEER, message()), core.Send("tap", PEER, message()), core.Send("proxy", PEER, b"", 7)]
    assert bench.sends(*sends) == [MessageSent(port="proxy", peer=PEER, octets=message())]
    bench.events.clear()
    bench.hears(bench.inside, "proxy", [message()], 0)
    bench.hears(bench.copies, "tap", [message()], 0)
    assert bench.events == [MessageReceived(port="proxy", peer=PEER, octets=message())]


def test_nothing_reaches_a_device_without_power(bench: Tapped) -> None:
    bench.power.set(False)
    bench.events.clear()
    bench.link.on_message(PEER, message())
    bench.hears(bench.han, "han", [transfer(message())])
    bench.hears(bench.inside, "proxy", [message()], 0)
    assert bench.events == []


def test_a_message_that_a_power_cut_interrupts_is_told_and_does_not_go_on_afterwards(bench: Tapped) -> None:
    first, *rest = [transfer(block) for block in gbt.split(message(), 100)]
    bench.hears(bench.han, "han", [first])
    bench.power.set(False)
    (told,) = (event for event in bench.events if isinstance(event, MessageIncomplete))
    assert (told.port, told.peer, told.out, told.reason) == ("han", PEER, False, "lacks blocks")
    bench.clock.advance(SECOND)
    bench.power.set(True)
    bench.events.clear()
    assert bench.hears(bench.han, "han", rest) == []


def test_what_is_under_way_when_the_evidence_ends_is_told(bench: Tapped) -> None:
    first, *_ = [transfer(block) for block in gbt.split(message(), 100)]
    bench.sends(core.Send("han", PEER, first, CLUSTER))
    bench.host.tell_unfinished()
    assert [event.detail for event in bench.events if isinstance(event, MessageIncomplete)] == [
        "the transfer ends before its last block (block 2 or a later one)"
    ]


def test_no_machine_tells_of_messages_itself() -> None:
    told = [path for path in MACHINES.rglob("*.py") if "events.messages" in path.read_text(encoding="utf-8")]
    assert told == []


def test_whoever_speaks_in_the_machines_place_is_tapped_too(bench: Tapped) -> None:
    bench.host.send(core.Send("interpan", PEER, transfer(message()), CLUSTER))
    bench.host.send(core.Send("wan", PEER, message()))
    assert [event.kind for event in bench.events] == ["gbcs.tx", "gbcs.tx"]
    assert bench.link.sent == [(PEER, message())]
    bench.link.fails = PortLost("wan", "the link is down", "Restore it.")
    with pytest.raises(PortLost):
        bench.host.send(core.Send("wan", PEER, message()))
    with pytest.raises(HostError, match="'acb'"):
        bench.host.send(core.Send("acb", PEER, message()))


# ------------------------------------------------------------------------------------------- what radios tell, tunnels

UP = core.NetworkUp("han", PEER, 0x1A62, 15)
GRANTED, BUSY = tunnelling.TunnelStatus.SUCCESS, tunnelling.TunnelStatus.BUSY


def lying(_event: core.Event) -> Sequence[core.Effect]:
    """Claims a network, a list of hubs and a tunnel, whatever comes."""
    return [
        core.Record(HubNetworkUp(epid=PEER, pan=1, channel=11)),
        core.Record(HubsFound(hubs=(PEER,), joinable=(True,))),
        core.Record(TunnelOpened(port="han", peer=PEER, tunnel=1)),
    ]


def tapped(events: Sequence[Event]) -> list[Event]:
    return [one for one in events if isinstance(one, RadioInNetwork | BeaconsHeard | TunnelGranted)]


def test_what_a_machine_claims_of_its_radio_is_no_tap_and_what_the_radio_tells_is() -> None:
    bench = Tapped(lying)
    bench.host.deliver(core.Asked("anything", {}))
    assert tapped(bench.events) == []
    bench.han.on_event(UP)
    bench.interpan.on_event(core.NetworksFound("interpan", (core.Beacon(PEER, 1, 11, True, -48),)))
    assert tapped(bench.events) == [
        RadioInNetwork(port="han", epid=PEER, pan=0x1A62, channel=15),
        BeaconsHeard(port="interpan", networks=(PEER,)),
    ]


def test_a_radio_that_tells_a_device_without_power_tells_nobody(bench: Tapped) -> None:
    bench.power.set(False)
    bench.han.on_event(UP)
    assert tapped(bench.events) == []


@pytest.mark.parametrize(("status", "granted"), [(GRANTED, True), (BUSY, False)])
def test_a_frame_that_grants_a_tunnel_is_tapped_at_both_ends(bench: Tapped, status: int, *, granted: bool) -> None:
    frame = tunnelling.encode(tunnelling.RequestTunnelResponse(1, status), 0)
    bench.sends(core.Send("han", PEER, frame, CLUSTER))
    bench.hears(bench.interpan, "interpan", [frame])
    bench.hears(bench.interpan, "interpan", [frame[:4], b"", transfer(message(20))])
    assert tapped(bench.events) == [
        TunnelGranted(port="han", peer=PEER, out=True), TunnelGranted(port="interpan", peer=PEER, out=False)
    ][: 2 * granted]  # fmt: skip
