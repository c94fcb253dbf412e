"""The ways out of a device: the alerts of a meter, the WAN of a hub, the line to the gas proxy, the supply's switch."""

from __future__ import annotations

import pytest

from devices.events.hub import HubDropped, HubQueued
from devices.events.supply import SupplyChanged
from devices.machines.core import Drive, Effect, Persist, Received, Record, Send, SendFailed, SetTimer, Show
from devices.machines.parts import time_cluster
from devices.machines.parts.contactor import PULSE, ContactorSettings, Supply, SupplyEvent
from devices.machines.parts.load_switch import CONNECT_FAILURE, DISCONNECT_FAILURE, LoadSwitch
from devices.machines.parts.outbox import Outbox
from devices.machines.parts.proxy_line import ProxyLine
from devices.machines.parts.tunnel import CLUSTER, TunnelServer
from devices.machines.parts.user_interface import LocalActs
from devices.machines.parts.wan_line import WanLine
from devices.wire import gbcs, tunnelling, zcl
from devices.wire.tunnelling import CloseTunnel, RequestTunnel, TransferData
from tests.machines.test_tunnel import HUB, METER, PARTY, message

ALERT, RESPONSE = (
    gbcs.encode(gbcs.Message(cra, 1, METER, PARTY, 0x67, b"payload", mac=bytes(12)))
    for cra in (gbcs.CRA.ALERT, gbcs.CRA.RESPONSE)
)
KEPT = Persist("queue", [ALERT.hex()])


def _open(tunnel: TunnelServer, peer: bytes) -> None:
    tunnel.receive(Received("han", peer, tunnelling.encode(RequestTunnel(), 0), CLUSTER), 0)


def _out(octets: bytes, tunnel: int, sequence: int, token: int, peer: bytes = HUB) -> Send:
    frame = tunnelling.encode(TransferData(tunnel, octets, to_server=False), sequence)
    return Send("han", peer, frame, 0x0704, token)


# --------------------------------------------------------------------------------------------------------------- outbox


def test_an_alert_waits_for_the_tunnel_of_its_hub_or_of_anybody() -> None:
    tunnel = TunnelServer("han")
    box = Outbox(tunnel, HUB)
    assert box.flush(0) == []
    assert box.keep(ALERT) == KEPT
    assert box.flush(0) == [], "there is no way"
    _open(tunnel, METER)
    _open(tunnel, HUB)
    assert box.flush(0) == [_out(ALERT, 1, 0, 3), Persist("queue", [])]
    assert box.waiting == ()
    tunnel.receive(Received("han", HUB, tunnelling.encode(CloseTunnel(1), 0), CLUSTER), 0)
    box.keep(ALERT)
    assert box.flush(0) == [_out(ALERT, 0, 1, 4, METER), Persist("queue", [])]


@pytest.mark.parametrize(("hub", "peer"), [(HUB, HUB), (None, PARTY)])
def test_over_the_line_an_alert_goes_to_the_hub_or_to_its_recipient(hub: bytes | None, peer: bytes) -> None:
    box = Outbox(TunnelServer("han"), hub)
    box.keep(ALERT)
    box.line_up = True
    assert box.flush(0) == [Send("line", peer, ALERT), Persist("queue", [])]
    assert box.send("line", METER, RESPONSE, 0) == [Send("line", METER, RESPONSE)]


def test_an_alert_that_broke_waits_again_and_a_response_does_not() -> None:
    tunnel = TunnelServer("han")
    box = Outbox(tunnel, HUB)
    _open(tunnel, HUB)
    for octets, token, kept in ((RESPONSE, 2, []), (ALERT, 3, [KEPT])):
        assert box.send("han", HUB, octets, 0) == [_out(octets, 0, token - 2, token)]
        tunnel.failed(SendFailed("han", HUB, token, "gone"), 1)
        assert box.keep_broken() == kept
    assert box.waiting == (ALERT,)
    long = gbcs.encode(gbcs.Message(gbcs.CRA.ALERT, 1, METER, PARTY, 0x67, bytes(25_000), mac=bytes(12)))
    assert box.send("han", HUB, long, 0)[-1] == Persist("queue", [ALERT.hex(), long.hex()])


def test_the_oldest_of_too_many_alerts_goes_and_the_rest_outlives_a_cut() -> None:
    alerts = [gbcs.encode(gbcs.Message(3, n, METER, PARTY, 0x67, b"", mac=bytes(12))) for n in range(34)]
    full = Outbox(TunnelServer("han"))
    for octets in alerts:
        full.keep(octets)
    assert full.waiting == tuple(alerts[2:])
    again = Outbox(TunnelServer("han"), queue_limit=2)
    again.restore({"queue": [octets.hex() for octets in alerts[:3]]})
    assert again.waiting == tuple(alerts[1:3])
    again.restore({})
    assert again.waiting == tuple(alerts[1:3])


# ----------------------------------------------------------------------------------------------------- WAN, proxy, time


def test_messages_wait_while_the_wan_is_away_and_the_oldest_of_too_many_goes() -> None:
    wan = WanLine(2, up=False)
    one, two, three = (message(1, counter) for counter in (1, 2, 3))
    assert [wan.send(octets) for octets in (one, two, three)] == [
        [Record(HubQueued(port="wan", waiting=1))],
        [Record(HubQueued(port="wan", waiting=2))],
        [Record(HubDropped(port="wan", octets=one)), Record(HubQueued(port="wan", waiting=2))],
    ]
    assert wan.changed(up=False) == []
    assert len(wan) == 2
    assert wan.changed(up=True) == [Send("wan", METER, two), Send("wan", METER, three)]
    assert (len(wan), wan.up, wan.changed(up=True)) == (0, True, [])
    wan.changed(up=False)
    wan.send(one)
    wan.reset()
    assert (len(wan), wan.changed(up=True)) == (0, [])


def test_what_is_handed_to_a_proxy_goes_to_it_alone() -> None:
    frame = Received("han", METER, b"frame", 0x0702)
    line, none = ProxyLine(PARTY), ProxyLine(None)
    assert line.hand(b"message") == [Send("proxy", PARTY, b"message")]
    assert line.copy(b"message") == [Send("tap", PARTY, b"message")]
    assert line.copy_frame(frame) == [Send("tap", PARTY, b"frame", 0x0702)]
    assert [none.hand(b"message"), none.copy(b"message"), none.copy_frame(frame)] == [[], [], []]
    assert [line.reaches(PARTY), line.reaches(METER), none.reaches(METER)] == [True, False, False]


def _report(**changes: object) -> bytes:
    whole = zcl.decode(time_cluster.report(0x12345678, 7))
    fields = {name: getattr(whole, name) for name in ("frame_control", "sequence", "command", "payload")} | changes
    return zcl.encode(zcl.Frame(**fields))


def test_a_time_report_is_read_and_nothing_else() -> None:
    assert time_cluster.report(0x12345678, 7).hex() == "18070a0000e278563412"
    assert time_cluster.CLUSTER == 0x000A
    assert time_cluster.time_in(_report()) == 0x12345678
    assert time_cluster.time_in(time_cluster.report(0xFFFFFFFE, 0)) == 0xFFFFFFFE
    others = (
        b"",
        time_cluster.report(0xFFFFFFFF, 0),  # not known
        _report(command=0x0B),
        _report(frame_control=0x19),  # of the cluster
        _report(frame_control=0x10),  # from a client
        _report(payload=bytes.fromhex("0100e278563412")),
        _report(payload=bytes.fromhex("00002378563412")),
        _report(payload=bytes.fromhex("0000e2785634")),
        _report(payload=bytes.fromhex("0000e27856341200")),
    )
    assert [time_cluster.time_in(octets) for octets in others] == [None] * len(others)


def test_the_codes_of_local_acts_have_16_bits() -> None:
    assert LocalActs() == LocalActs(enable=0x0118, top_up=0x0116, emergency_credit=0x0117)
    assert LocalActs(0, 0xFFFF, 1) is not None
    for place in ("enable", "top_up", "emergency_credit"):
        for code in (-1, 0x10000):
            with pytest.raises(ValueError, match=f"16 bits, got {code} for {place}"):
                LocalActs(**{place: code})


# --------------------------------------------------------------------------------------------------------- load switch

ON, OFF = "SUPPLY ON", "SUPPLY OFF"
ARMED = "SUPPLY ARMED - HOLD THE BUTTON TO SWITCH ON"


def _kinds(effects: list[Effect]) -> list[object]:
    """What is kept, told and shown, and which coil is driven."""
    found: list[object] = []
    for effect in effects:
        match effect:
            case Persist(key, value):
                found.append((key, value))
            case Record(SupplyChanged(old=old, new=new, cause=cause)):
                found.append((old, new, cause))
            case Drive(pin, True):
                found.append(pin)
            case Show(text):
                found.append(text)
    return found


MOVING, OPENS, CLOSES = ("contactor_moving", True), "contactor_reset", "contactor_set"


def test_the_state_is_kept_before_the_contactor_moves() -> None:
    switch = LoadSwitch(Supply.ENABLED)
    steps: list[tuple[SupplyEvent, list[object]]] = [
        (SupplyEvent.ENABLE, [("supply", "ENABLED"), ON]),
        (SupplyEvent.DISABLE, [("supply", "DISABLED"), ("enabled", "disabled", "why"), MOVING, OPENS, OFF]),
        (SupplyEvent.DISABLE, [("supply", "DISABLED"), MOVING, OPENS, OFF]),
        (SupplyEvent.ARM, [("supply", "ARMED"), ("disabled", "armed", "why"), ARMED]),
        (SupplyEvent.LOCAL_ACT, [("supply", "ENABLED"), ("armed", "enabled", "why"), MOVING, CLOSES, ON]),
    ]
    for event, expected in steps:
        assert _kinds(switch.change(event, "why", 0)) == expected
    assert _kinds(switch.drive("power", 5)) == [(None, "enabled", "power"), MOVING, CLOSES]
    assert (switch.reported, switch.reported_closed) == (Supply.ENABLED, True)
    liar = LoadSwitch(Supply.ENABLED, told=lambda _: Supply.ARMED)
    assert (liar.reported, liar.reported_closed) == (Supply.ARMED, False)


@pytest.mark.parametrize(
    ("event", "sensed", "failure"),
    [
        (SupplyEvent.DISABLE, True, DISCONNECT_FAILURE),
        (SupplyEvent.DISABLE, False, None),
        (SupplyEvent.ENABLE, False, CONNECT_FAILURE),
        (SupplyEvent.ENABLE, True, None),
    ],
)
def test_a_contactor_that_did_not_move_has_an_event_of_its_own(
    event: SupplyEvent, sensed: bool, failure: int | None
) -> None:
    assert (CONNECT_FAILURE, DISCONNECT_FAILURE) == (0x81BD, 0x81C0)
    before = Supply.ENABLED if event is SupplyEvent.DISABLE else Supply.DISABLED
    switch = LoadSwitch(before, ContactorSettings(feedback=True))
    switch.change(event, "why", 0)
    assert [switch.sensed("aux_no", sensed), switch.sensed("else", not sensed)] == [True, False]
    assert switch.fired("else", 1) is None
    ended = switch.fired(PULSE, 80)
    assert ended is not None
    assert (ended[0], ended[1][0]) == (None, Persist("contactor_moving", False))
    assert SetTimer("contactor.check", 80 + 60_000_000) in ended[1]
    judged = switch.fired("contactor.check", 90)
    assert judged is not None
    assert judged[0] == failure
    assert [type(effect) for effect in judged[1]] == [Record]
