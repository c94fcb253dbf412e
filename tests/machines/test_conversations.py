"""Whole conversations: every machine true, the air and the WAN in memory."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from devices.machines.core import Send
from devices.wire import interpan
from devices.wire.ieee802154 import Frame, FrameType, encode
from tests.machines.lab import (
    ACB,
    HUB,
    METER,
    MINUTE,
    NEXT_HUB,
    NEXT_INSTALL_CODE,
    NEXT_METER,
    SECOND,
    SUPPLIER,
    TERMINAL,
    House,
    RefusedError,
    Station,
)
from tests.running import stock_tshark

ENABLED, DISABLED, ARMED = "enabled", "disabled", "armed"


def house(**settings: object) -> House:
    """A house whose meter is on the hub's network."""
    built = House(**settings)  # type: ignore[arg-type]
    built.commission()
    return built


def supply(built: House, meter: str = "meter") -> str:
    state = built.lab.ask(meter, "state")["supply"]
    assert isinstance(state, str)
    return state


def states(built: House) -> list[str]:
    return [command["state"] for command in built.lab.ask("terminal", "status")["commands"]]


def assert_counts_agree(built: House) -> None:
    """What the taps say that the machines sent is what the listener on the air heard."""
    heard = built.lab.heard("han", "interpan")
    assert heard == built.lab.counted("han", "interpan")
    assert heard, "nothing was on the air"


def test_join_by_install_code_and_tell_the_broker() -> None:
    built = house()
    assert built.lab.ask("meter", "state")["network"] is True
    told = built.lab.stations["broker"].kinds("party.received")
    assert [(fields["message_code"], fields["alert"], fields["verified"]) for fields in told] == [
        (0x0001, None, True),
        (0x0018, 0x8F12, True),
        (0x0018, 0x8F12, True),
    ]
    passed_on = built.lab.stations["supplier"].kinds("party.received")[0]
    assert (passed_on["message_code"], passed_on["results"], passed_on["verified"]) == (0x0001, [0, 0, 0], None)


@pytest.mark.parametrize(("use_case", "after"), [("ECS43", DISABLED), ("ECS42", ENABLED), ("ECS44", ARMED)])
def test_wan_path_there_and_back(use_case: str, after: str) -> None:
    built = house()
    sent = built.lab.ask("supplier", "command", use_case=use_case, device=METER.hex())
    built.lab.run()
    assert supply(built) == after
    answer = built.lab.stations["supplier"].kinds("party.received")[-1]
    assert (answer["counter"], answer["message_code"]) == (sent["counter"], sent["message_code"])
    assert (answer["verified"], answer["matched"], answer["duplicate"]) == (True, True, False)
    assert_counts_agree(built)


def test_read_over_the_wan_is_verified_by_its_mac() -> None:
    built = house()
    built.lab.ask("supplier", "command", use_case="ECS45", device=METER.hex())
    built.lab.run()
    answer = built.lab.stations["supplier"].kinds("party.received")[-1]
    assert (answer["data"], answer["results"], answer["verified"]) == (["1601"], [0], True)


def test_terminal_path_there_and_back() -> None:
    """No WAN at all: collect, load, connect, apply, unload, hand over (HHT-1, HHT-3, HHT-16)."""
    built = house()
    order = built.work_order("ECS43", "ECS45")
    built.lab.cut_wan(True)
    lab = built.lab
    lab.ask("terminal", "load", work_order=order, hub=HUB.hex())
    built.connect()
    assert lab.ask("terminal", "status")["connected"] is True
    lab.ask("terminal", "apply", which="all")
    lab.run()
    assert supply(built) == DISABLED
    assert states(built) == ["answered", "answered"]
    assert "disabled" in lab.stations["terminal"].display
    unloaded = lab.ask("terminal", "unload")["messages"]
    responses = [message for message in unloaded if message["cra"] == 2]
    assert len(responses) == 2
    lab.ask("supplier", "receive_local", octets=[message["octets"] for message in responses])
    answers = lab.stations["supplier"].kinds("party.received")[-2:]
    assert [(answer["port"], answer["verified"], answer["matched"]) for answer in answers] == [
        ("local", True, True)
    ] * 2
    assert "terminal" not in [name for name, _ in lab.counted("han")]
    assert lab.stations["hub"].members == {METER}, "the terminal joins nothing"
    assert_counts_agree(built)


def test_same_command_both_ways_is_executed_once() -> None:
    """HHT-2: the first one received is executed, the second rejected; the answer comes both ways."""
    built = house()
    lab = built.lab
    lab.ask("supplier", "command", use_case="ECS43", device=METER.hex(), delivery="both")
    lab.run(SECOND)
    local = lab.ask("supplier", "work_order")["commands"][-1]
    assert supply(built) == DISABLED
    lab.ask("supplier", "command", use_case="ECS42", device=METER.hex())
    lab.run(SECOND)
    assert supply(built) == ENABLED
    lab.ask("terminal", "load", work_order=[local], hub=HUB.hex())
    built.connect()
    lab.ask("terminal", "apply", index=0)
    lab.run()
    assert supply(built) == ENABLED, "the second instance must not be executed"
    assert states(built) == ["unanswered"]
    refusals = lab.stations["meter"].kinds("refused")
    assert [fields["check"] for fields in refusals] == ["replay"]
    executed = [fields["counter"] for fields in lab.stations["meter"].kinds("executed")]
    assert sorted(executed) == sorted(set(executed))


def test_executed_by_terminal_answer_lost_resent_by_wan() -> None:
    """HHT-2: the supplier learns from the refusal's alert and the log, not from a response."""
    built = house()
    lab = built.lab
    sent = lab.ask("supplier", "command", use_case="ECS43", device=METER.hex(), delivery="local")
    lab.run(SECOND)
    local = lab.ask("supplier", "work_order")["commands"][-1]
    lab.cut_wan(True)
    lab.ask("terminal", "load", work_order=[local])
    built.connect()
    lab.passes = lambda station, send: not (station.name == "meter" and send.port == "han")
    lab.ask("terminal", "apply", index=0)
    lab.run()
    lab.passes = lambda station, send: True
    assert supply(built) == DISABLED
    assert states(built) == ["unanswered"], "the terminal can't tell a refusal from a lost response"
    lab.cut_wan(False)
    lab.run(SECOND)
    lab.ask("supplier", "resend", device=METER.hex(), counter=sent["counter"])
    lab.run()
    assert [fields["check"] for fields in lab.stations["meter"].kinds("refused")] == ["replay"]
    learnt = lab.stations["supplier"].kinds("party.received")[-1]
    assert (learnt["alert"], learnt["verified"]) == (0x8F60, True)
    lab.ask("supplier", "command", use_case="ECS35a", device=METER.hex(), args={"from": 0, "to": 0xFFFFFFFF})
    lab.run()
    log = lab.stations["supplier"].kinds("party.received")[-1]
    assert (log["message_code"], log["verified"], log["results"]) == (0x0048, True, [0])
    done_ecs43 = "8154" + "020050"  # event 0x8154 with the message code of ECS43
    assert done_ecs43 in log["data"][0]


def test_response_comes_both_ways_while_the_wan_is_up() -> None:
    built = house()
    lab = built.lab
    lab.ask("terminal", "load", work_order=built.work_order("ECS45"), hub=HUB.hex())
    built.connect()
    lab.ask("terminal", "apply", index=0)
    lab.run()
    response = next(m["octets"] for m in lab.ask("terminal", "unload")["messages"] if m["cra"] == 2)
    assert lab.stations["supplier"].kinds("party.received")[-1]["matched"] is True
    lab.ask("supplier", "receive_local", octets=response)
    assert lab.stations["supplier"].kinds("party.received")[-1]["duplicate"] is True


@pytest.mark.parametrize("frames", range(1, 7))
def test_connection_lost_in_the_middle_and_resumed(frames: int) -> None:
    """HHT-11: wherever it breaks, resuming starts with the command that broke off, and nothing runs twice."""
    built = house()
    lab = built.lab
    order = built.work_order("ECS43", "ECS44", "ECS45")
    lab.cut_wan(True)
    lab.ask("terminal", "load", work_order=order, hub=HUB.hex())
    built.connect()
    seen = [0]

    def break_after(station: Station, send: Send) -> bool:
        if send.port != "interpan" or station.name != "terminal":
            return True
        seen[0] += 1
        return seen[0] <= frames

    lab.passes = break_after
    lab.ask("terminal", "apply", which="all")
    lab.run(MINUTE)
    before = states(built)
    assert "interrupted" in before
    broken = before.index("interrupted")
    assert before == ["answered"] * broken + ["interrupted"] + ["loaded"] * (2 - broken)
    lab.passes = lambda station, send: True
    built.connect()
    assert lab.ask("terminal", "resume")["picked"][0] == order[broken]["name"]
    lab.run(MINUTE)
    assert states(built) == ["answered"] * 3
    assert supply(built) == ARMED
    executed = [fields["counter"] for fields in lab.stations["meter"].kinds("executed")]
    assert sorted(executed) == sorted(set(executed))


def test_wrong_house_is_refused_and_explained() -> None:
    """HHT-17: two hubs with open windows in range."""
    built = house(next_door=True)
    built.commission("next meter", "next hub", NEXT_INSTALL_CODE)
    lab = built.lab
    lab.ask("terminal", "load", work_order=built.work_order("ECS43"), hub=HUB.hex())
    lab.ask("terminal", "scan")
    lab.run(2 * SECOND)
    shown = lab.stations["terminal"].display.splitlines()
    assert len(shown) == 2
    assert [line.endswith("(work order)") for line in shown] == [True, False]
    with pytest.raises(
        RefusedError, match=r"wrong hub: the work order is for 00-13-A2-00-41-AB-CD-EF, you chose .*CD-00"
    ):
        lab.ask("terminal", "connect", hub=NEXT_HUB.hex())
    assert not lab.ask("terminal", "status")["connected"]
    assert supply(built, "next meter") == ENABLED


def test_neighbours_hub_does_not_pass_commands_for_this_house() -> None:
    built = house(next_door=True)
    built.commission("next meter", "next hub", NEXT_INSTALL_CODE)
    lab = built.lab
    lab.ask("terminal", "load", work_order=built.work_order("ECS43"))  # an order that names no hub
    built.connect(NEXT_HUB)
    lab.ask("terminal", "apply", index=0)
    lab.run()
    assert states(built) == ["unanswered"]
    assert supply(built) == ENABLED
    dropped = lab.stations["next hub"].kinds("firewall.dropped")
    assert [fields["reason"] for fields in dropped] == [f"recipient {METER.hex()} is not in the device log"]


def test_each_meter_obeys_its_own_hub_only_by_its_own_command() -> None:
    built = house(next_door=True)
    built.commission("next meter", "next hub", NEXT_INSTALL_CODE)
    built.lab.ask("supplier", "command", use_case="ECS43", device=NEXT_METER.hex())
    built.lab.run()
    assert (supply(built), supply(built, "next meter")) == (ENABLED, DISABLED)


def test_install_and_leave_alerts_wait_for_the_wan() -> None:
    """HHT-16: what happened without WAN reaches the head end when it appears."""
    built = House()
    lab = built.lab
    lab.cut_wan(True)
    add = {"device": METER.hex(), "install_code": "83fed3407a939723a5c639b26916d505", "device_type": "ESME"}
    lab.run(2 * SECOND)
    lab.ask(
        "broker",
        "command",
        use_case="CCS01",
        device=HUB.hex(),
        on_behalf=SUPPLIER.hex(),
        counter=1,
        args=add,
        delivery="local",
    )
    lab.run(SECOND)
    order = lab.ask("supplier", "work_order")["commands"]
    lab.ask("terminal", "load", work_order=order, hub=HUB.hex())
    built.connect()
    lab.ask("terminal", "apply", which="all")
    lab.run(5 * SECOND)
    assert states(built) == ["answered"]
    lab.power_on("meter")
    lab.run(5 * SECOND)
    assert lab.stations["hub"].members == {METER}
    assert lab.stations["broker"].kinds("party.received") == []
    lab.cut_wan(False)
    lab.run(SECOND)
    told = [fields["alert"] for fields in lab.stations["broker"].kinds("party.received")]
    assert told == [0x8F12, 0x8F12]
    assert [fields["alert"] for fields in lab.stations["supplier"].kinds("party.received")][-2:] == [0x8183, 0x8F69]


def test_removed_device_gets_nothing_more() -> None:
    built = house()
    lab = built.lab
    behalf = {"on_behalf": SUPPLIER.hex(), "counter": 9}
    lab.ask("broker", "command", use_case="CCS02", device=HUB.hex(), args={"device": METER.hex()}, **behalf)
    lab.run(SECOND)
    assert lab.stations["hub"].members == set()
    lab.ask("supplier", "command", use_case="ECS43", device=METER.hex())
    lab.run()
    assert supply(built) == ENABLED
    assert lab.stations["hub"].kinds("hub.unroutable")[-1]["recipient"] == METER.hex()


def test_long_message_goes_in_blocks_and_is_counted_once() -> None:
    built = house()
    lab = built.lab
    lab.ask("terminal", "load", work_order=built.work_order("ECS24"), hub=HUB.hex())
    built.connect()
    lab.ask("terminal", "apply", which="all")
    lab.run()
    frames = [s for _, name, s in lab.sent if name == "terminal" and s.octets[2] == 2]
    assert len(frames) > 4
    assert all(len(send.octets) <= 95 for send in frames)
    assert lab.counted("interpan")["terminal", "interpan"] == 1
    assert_counts_agree(built)


def test_stock_dissector_reads_what_a_terminal_and_a_hub_say(tmp_path: Path) -> None:
    """The inter-PAN frames of a whole visit through Wireshark: it puts the blocks together, and counts as we do."""
    built = house()
    lab = built.lab
    lab.ask("terminal", "load", work_order=built.work_order("ECS43", "ECS24", "ECS45"), hub=HUB.hex())
    built.connect()
    lab.ask("terminal", "apply", which="all")
    lab.run()
    capture = tmp_path / "interpan.pcap"
    capture.write_bytes(pcap(built))
    fields = ["wpan.src64", "gbcs_message.grouping_header.message_code", "gbcs_message.grouping_header.cra_flag"]
    wanted = [argument for name in (*fields, "_ws.malformed") for argument in ("-e", name)]
    lines = stock_tshark("-r", capture, "-T", "fields", "-E", "separator=,", *wanted).splitlines()
    read = [line.split(",") for line in lines]
    assert [row for row in read if row[3]] == [], "malformed frames"
    messages = [tuple(row[:3]) for row in read if row[1]]
    terminal, hub = TERMINAL.hex(":"), HUB.hex(":")
    assert messages == [
        (sender, code, cra)
        for code in ("0x0050", "0x003a", "0x0052")
        for sender, cra in ((terminal, "0x01"), (hub, "0x02"))
    ]
    assert sum(lab.counted("interpan").values()) == len(messages)


def pcap(built: House) -> bytes:
    """The inter-PAN frames as a capture file of MAC frames without check sequence (link type 230)."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, 230)]
    for number, (at, name, send) in enumerate(built.lab.sent):
        if send.port == "interpan":
            source = built.lab.stations[name].eui
            stub = interpan.encode(interpan.Stub(send.cluster, send.octets))
            frame = Frame(FrameType.DATA, number % 256, stub, 0x1A62, send.peer, 0x1A63, source, ack_request=True)
            octets = encode(frame)
            assert len(octets) <= 125, "one MAC frame, its check sequence apart"
            parts.append(struct.pack("<IIII", at // SECOND, at // 1000 % 1_000_000, len(octets), len(octets)) + octets)
    return b"".join(parts)


def test_meter_and_hub_find_each_other_again_after_a_power_cut() -> None:
    built = house()
    lab = built.lab
    for name in ("hub", "meter"):
        lab.power_off(name)
    lab.run(MINUTE)
    for name in ("hub", "meter"):
        lab.power_on(name)
    lab.run(MINUTE)
    lab.ask("supplier", "command", use_case="ECS43", device=METER.hex())
    lab.run()
    assert supply(built) == DISABLED


def test_clock_is_set_through_the_terminal() -> None:
    """HHT-15 in small: commissioning without WAN; the meter takes the hub's time, and tells its supplier later."""
    built = house()
    lab = built.lab
    window = {"start": "2015-11-07T00:00:00Z", "end": "2015-11-08T00:00:00Z"}
    lab.ask("supplier", "command", use_case="ECS70", device=METER.hex(), args=window, delivery="local")
    lab.run(SECOND)
    lab.cut_wan(True)
    lab.ask("terminal", "load", work_order=lab.ask("supplier", "work_order")["commands"], hub=HUB.hex())
    built.connect()
    lab.ask("terminal", "apply", which="all")
    lab.run()
    assert states(built) == ["answered"]
    assert len(lab.stations["meter"].kinds("clock.set")) == 1
    assert lab.ask("terminal", "status")["commands"][0]["signature"] != ""
    lab.cut_wan(False)
    lab.run(SECOND)
    assert 0x8F69 in [fields["alert"] for fields in lab.stations["supplier"].kinds("party.received")]


def test_equal_seeds_give_equal_octets() -> None:
    def run() -> list[str]:
        built = house()
        built.lab.ask("supplier", "command", use_case="ECS43", device=METER.hex(), delivery="both")
        built.lab.run()
        return [f"{at} {name} {send.port} {send.octets.hex()}" for at, name, send in built.lab.sent]

    assert run() == run()


def test_acb_is_the_originator_of_device_log_commands() -> None:
    built = house()
    executed = built.lab.stations["hub"].kinds("executed")
    assert [(fields["use_case"], fields["originator"]) for fields in executed] == [("CCS01", ACB.hex())]
