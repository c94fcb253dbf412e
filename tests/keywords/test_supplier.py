"""What a supplier's keywords ask of the bench, and what they make of what comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.events.parties import LocalCopyReceived
from devices.wire import gbcs
from rig.keywords.connection import Misused
from rig.keywords.judge import Unmet, judge
from rig.keywords.silence import Asked
from rig.keywords.supplier import Delivery, Supplier
from tests.keywords.fake import EUI, SECOND, Faked, message, seen, took

LIBRARY = Supplier()
CCS01 = {
    "install_code": "code of esme", "device_type": "ESME", "join_time": 300, "device": EUI["esme"],
}  # fmt: skip


def command(party: str = "supplier", device: str = "esme", **more: Any) -> dict[str, Any]:
    return {"use_case": "ECS42", "device": device, "party": party, "since": 0, "sent": 0, "builder": party,
            "counter": 7, **more}  # fmt: skip


def asked(party: str = "supplier", device: str = "esme", since: int = 0, **more: Any) -> Asked:
    return Asked(EUI[party], EUI[device], 7, since, party, **more)


def octets(device: str = "esme", party: str = "supplier", counter: int = 7) -> str:
    ends = bytes.fromhex(EUI[party]), bytes.fromhex(EUI[device])
    return gbcs.encode(gbcs.Message(1, counter, *ends, 0x0053, b"\xd9")).hex()


def response(order: int = 9, party: str = "supplier", device: str = "esme", **more: Any) -> Any:
    fields = {"from": EUI[device], "recipient": EUI[party], "counter": 7, "cra": 2, "verified": True, "success": True,
              "results": [0], "data": [], "alert": None, "octets": "", **more}  # fmt: skip
    return seen(order, "party.received", party, 1, **fields)


# -------------------------------------------------------------------------------------------------------------- sending


@pytest.mark.parametrize(
    ("call", "sent", "told"),
    [
        (
            lambda: LIBRARY.send_command("ecs43"),
            ("supplier", {"args": {}, "use_case": "ECS43", "device": EUI["esme"], "delivery": "wan"}),
            command(use_case="ECS43", since=5, sent=5),
        ),
        (
            lambda: LIBRARY.send_command("CS02c", "gsme", party="broker", delivery=Delivery.LOCAL, key="x"),
            ("broker", {"args": {"key": "x"}, "use_case": "CS02c", "device": EUI["gsme"], "delivery": "local"}),
            command("broker", "gsme", use_case="CS02c", since=5, sent=5),
        ),
        (
            lambda: LIBRARY.request("CCS02", "hub", device="gsme", target="gsme", delivery=Delivery.BOTH),
            (
                "broker",
                {"args": {"device": EUI["gsme"], "target": "gsme"}, "use_case": "CCS02", "device": EUI["hub"],
                 "delivery": "both", "on_behalf": EUI["supplier"], "counter": 3},
            ),
            command(device="hub", use_case="CCS02", builder="broker", since=5, sent=5),
        ),
        (
            lambda: LIBRARY.request("CCS02", "hub", device=["esme"], name="esme"),
            (
                "broker",
                {"args": {"device": ["esme"], "name": "esme"}, "use_case": "CCS02", "device": EUI["hub"],
                 "delivery": "wan", "on_behalf": EUI["supplier"], "counter": 3},
            ),
            command(device="hub", use_case="CCS02", builder="broker", since=5, sent=5),
        ),
        (
            lambda: LIBRARY.admit_to_hub(),
            (
                "broker",
                {"args": CCS01, "use_case": "CCS01", "device": EUI["hub"],
                 "delivery": "wan", "on_behalf": EUI["supplier"], "counter": 3},
            ),
            command(device="hub", use_case="CCS01", builder="broker", since=5, sent=5),
        ),
        (
            lambda: LIBRARY.request("CCS01", "hub", join_time=9, device="00db1234567890ff"),
            (
                "broker",
                {"args": {"join_time": 9, "device": "00db1234567890ff"}, "use_case": "CCS01", "device": EUI["hub"],
                 "delivery": "wan", "on_behalf": EUI["supplier"], "counter": 3},
            ),
            command(device="hub", use_case="CCS01", builder="broker", since=5, sent=5),
        ),
        (
            lambda: LIBRARY.send_command("ECS70"),
            (
                "supplier",
                {"args": {"start": "2026-11-20T08:59:01Z", "end": "2026-11-20T09:01:01Z"}, "use_case": "ECS70",
                 "device": EUI["esme"], "delivery": "wan"},
            ),
            command(use_case="ECS70", since=5, sent=5),
        ),
        (
            lambda: LIBRARY.send_command("ECS70", start="soon"),
            ("supplier", {"args": {"start": "soon"}, "use_case": "ECS70", "device": EUI["esme"], "delivery": "wan"}),
            command(use_case="ECS70", since=5, sent=5),
        ),
    ],
)  # fmt: skip
def test_a_command_is_asked_of_who_builds_it(
    now: Faked, call: Any, sent: tuple[str, dict[str, Any]], told: dict[str, Any]
) -> None:
    now.see(seen(5, "power", "hub", on=True))
    now.answers["clock.civil"] = {"civil_ns": 1_795_165_201 * SECOND + SECOND - 1}
    now.replies = {"take_counter": {"counter": 3}, "command": {"counter": 7}}
    assert call() == told
    assert now.asked_for[-1] == (sent[0], "command", sent[1])
    if told["use_case"].startswith("CCS"):
        assert now.asked_for[0] == (told["party"], "take_counter", {})
    else:
        assert len(now.asked_for) == 1


def test_what_is_sent_is_what_the_test_did_last_and_what_only_looks_is_not(now: Faked) -> None:
    now.replies = {"take_counter": {"counter": 3}, "command": {"counter": 7}}
    LIBRARY.request("ECS45")
    assert (now.asked, judge().cause) == (None, "")
    LIBRARY.send_command("ecs42")
    assert (now.asked, judge().cause) == (asked(), "ECS42")
    LIBRARY.send_command("ECS42", delivery=Delivery.LOCAL)
    assert now.asked == asked(out=False)
    LIBRARY.send_command("ECS42", delivery=Delivery.BOTH)
    assert now.asked == asked(out=True)


def test_a_hub_that_is_told_to_let_a_device_in_is_known(now: Faked) -> None:
    now.replies = {"take_counter": {"counter": 3}, "command": {"counter": 7}}
    LIBRARY.admit_to_hub("gsme", hub="hub", party="supplier")
    assert now.admitted == {EUI["gsme"]: Asked(EUI["broker"], EUI["hub"], 7, 0, "broker", admits="gsme")}
    LIBRARY.request("CCS01", "hub", device="00db1234567890ff")
    LIBRARY.request("CCS02", "hub", device="esme")
    assert list(now.admitted) == [EUI["gsme"]]


def test_a_command_goes_to_one_device_and_a_warning_is_told(now: Faked, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Misused, match="ECS45 goes to one device, got esme, hub; name its arguments"):
        LIBRARY.send_command("ECS45", "esme", "hub")
    now.replies = {"command": {"counter": 7, "warning": "not of this meter"}}
    LIBRARY.send_command("ECS45")
    assert [record.getMessage() for record in caplog.records] == [
        "ECS45 to esme by wan, originator counter 7", "ECS45 to esme: not of this meter"
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ responses


def test_a_response_is_known_by_its_ids_and_told_with_its_values(now: Faked) -> None:
    for stranger in ({"counter": 8}, {"from": EUI["gsme"]}, {"recipient": EUI["broker"]}, {"cra": 3}):
        now.see(response(3, **stranger))
    now.see(response(4, "broker"))
    now.coming = [response(data=["1105", "0901ff"])]
    told = LIBRARY.response_should_arrive(command())
    assert told == {**response(data=["1105", "0901ff"]).fields, "values": [5, b"\xff"]}
    assert now.waited == [2 * took("wake", "answer")]
    now.coming = [response(12)]
    LIBRARY.response_should_arrive(command(sent=9), within=timedelta(seconds=5))
    assert now.waited[1:] == [5 * SECOND]


@pytest.mark.parametrize(
    ("came", "ending"),
    [
        ({"verified": False}, "expected a response to ECS42 #7 with valid protection, got"),
        ({"success": False, "results": [3]}, "expected ECS42 #7 carried out, got results: 3"),
        ({"success": False, "results": []}, "got results: an answer that is no success of this use case"),
        ({}, ""),
    ],
)
def test_a_command_succeeds_where_its_response_is_whole_and_a_success(
    now: Faked, came: dict[str, Any], ending: str
) -> None:
    now.coming = [response(**came)]
    if not ending:
        assert LIBRARY.command_should_succeed(command(), within=timedelta(1))["success"]
        assert now.waited == [86_400 * SECOND]
        return
    with pytest.raises(Unmet, match=ending):
        LIBRARY.command_should_succeed(command())


def test_a_response_that_is_late_is_a_finding_of_its_own(now: Faked) -> None:
    now.begin_action()
    now.coming = [replace(response(), at_ns=took("wake", "answer") + SECOND)]
    LIBRARY.response_should_arrive(command())
    assert [(one.expectation, one.device) for one in judge().findings] == [
        ("takes", "esme"), ("response-arrives", "esme"),
    ]  # fmt: skip


def test_a_response_that_does_not_come_is_followed_from_tap_to_tap(now: Faked) -> None:
    with pytest.raises(SkipExecution, match=r"INFRA: expected a response to ECS42 #7 at supplier within 18 s.*#7 for"):
        LIBRARY.response_should_arrive(command())


@pytest.mark.parametrize(
    ("orders", "ending"),
    [
        ([9], ""),
        ([3], "INFRA: "),
        ([9, 12], "expected one response to ECS42 #7, got 2, at 1.000000 s, 1.000000 s"),
    ],
)
def test_a_supplier_hears_once_of_a_command(now: Faked, orders: list[int], ending: str) -> None:
    for order in orders:
        now.see(response(order))
    if not ending:
        LIBRARY.one_response_should_have_arrived(command(since=3))
        return
    with pytest.raises(SkipExecution if ending == "INFRA: " else Unmet, match=ending):
        LIBRARY.one_response_should_have_arrived(command(since=3))


CROSSED = message(4, "rx", "esme", "command", "supplier", "esme")
BACK = message(5, "rx", "broker", "response", "esme", "broker", 3)


@pytest.mark.parametrize("within", [None, timedelta(seconds=5)])
def test_no_response_is_shown_where_the_command_came_and_the_way_back_is_open(
    now: Faked, within: timedelta | None, caplog: pytest.LogCaptureFixture
) -> None:
    now.see(CROSSED)
    now.see(BACK)
    LIBRARY.no_response_should_arrive(command(), within=within)
    assert now.waited == [took("wake", "answer") if within is None else 5 * SECOND]
    over = "9" if within is None else "5"
    assert caplog.messages[-1] == (
        f"No response to ECS42 #7 from 0.000000 s to {over}.000000 s; looked at: messages at supplier."
    )


@pytest.mark.parametrize(
    ("events", "ending"),
    [
        (
            [CROSSED, BACK, response(results=[3])],
            "expected no response to ECS42 #7, got one at 1.0+ s with results .3.",
        ),
        ([BACK], "INFRA: .*no tap has the message #7 crossing to esme"),
        ([CROSSED], "INFRA: .*the way from esme back to supplier has carried nothing"),
    ],
)
def test_no_response_that_came_or_could_not_come(now: Faked, events: list[Any], ending: str) -> None:
    for event in events:
        now.see(event)
    with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
        LIBRARY.no_response_should_arrive(command())


def test_of_a_spoilt_command_it_is_the_spoilt_one_that_must_have_come(now: Faked) -> None:
    spoilt = Asked(EUI["supplier"], EUI["esme"], 99, 0, "supplier")
    now.see(message(4, "rx", "esme", "command", "supplier", "esme", 99))
    now.see(BACK)
    LIBRARY.no_response_should_arrive(command(spoilt=spoilt))
    with pytest.raises(SkipExecution, match="message #7 crossing"):
        LIBRARY.no_response_should_arrive(command(spoilt="yes"))


# -------------------------------------------------------------------------------------------- copies, uploads, spoiling


def copied(now: Faked, device: str = "esme", **more: Any) -> None:
    """The local copies of the supplier's commands come to it, and lie in its work order."""
    fields = {"counter": 7, "for": EUI[device], "octets": octets(device)}
    now.coming = [seen(20, LocalCopyReceived.kind, "supplier", 1, **{**fields, **more})]
    now.replies |= {"command": {"counter": 7}, "work_order": {"commands": [{"octets": octets(device)}]}}


def test_a_work_order_is_of_local_copies(now: Faked) -> None:
    for number, device in ((3, "gsme"), (4, "esme")):
        now.see(seen(number, LocalCopyReceived.kind, "supplier", counter=7, **{"for": EUI[device]}))
    now.replies = {
        "command": {"counter": 7}, "take_counter": {"counter": 7},
        "work_order": lambda args: {"commands": [{"octets": octets(name) } for name in ("esme", "gsme")]},
    }  # fmt: skip
    now.begin_action()
    now._order = 2  # both copies come after the commands
    order = LIBRARY.prepare_work_order("ECS42:gsme", "ECS43")
    assert [(one["name"], one["target"], one["octets"]) for one in order] == [
        ("ECS42", EUI["gsme"], octets("gsme")), ("ECS43", EUI["esme"], octets("esme")),
    ]  # fmt: skip
    assert [values["delivery"] for _, request, values in now.asked_for if request == "command"] == ["local", "local"]
    assert [values for _, request, values in now.asked_for if request == "work_order"] == [
        {"device": EUI["gsme"]}, {"device": EUI["esme"]}
    ]  # fmt: skip
    assert now.waited == []


def test_responses_that_are_uploaded_are_told_as_the_supplier_took_them(now: Faked) -> None:
    now.see(response(3))
    now.coming, now.comes_with = [response(9), response(10, "broker"), response(11, device="gsme")], "receive_local"
    told = LIBRARY.upload_responses(["aa", "bb"])
    assert [one["from"] for one in told] == ["esme", "gsme"]
    assert now.asked_for == [("supplier", "receive_local", {"octets": text}) for text in ("aa", "bb")]
    now.called.clear()
    assert LIBRARY.upload_responses(["cc"], party="broker") == []
    assert now.asked_for == [("broker", "receive_local", {"octets": "cc"})]


def uploaded(**more: Any) -> dict[str, Any]:
    return {**response().fields, "from": "esme", **more}


SENT = message(3, "tx", "hht", "command", "supplier", "esme", use_case="ECS42")


@pytest.mark.parametrize(
    ("told", "ending"),
    [
        ([uploaded()], ""),
        ([uploaded(verified=False), uploaded()], ""),
        (
            [uploaded(verified=False, results=[1])],
            "a verified success of ecs42 from esme, got verified: no, results: 1",
        ),
        ([uploaded(success=False, results=[1])], "got verified: yes, results: 1"),
        ([uploaded(counter=8)], "INFRA: .*got none"),
        ([uploaded(cra=3)], "INFRA: .*got none"),
        ([uploaded(recipient=EUI["broker"])], "INFRA: .*got none"),
        ([uploaded(**{"from": "gsme"})], "INFRA: .*got none"),
        ([], "INFRA: .*got none"),
    ],
)
def test_an_upload_holds_a_verified_success_of_the_command(now: Faked, told: list[dict[str, Any]], ending: str) -> None:
    now.see(message(2, "tx", "hht", "response", "supplier", "esme", 8, use_case="ECS42"))
    now.see(message(2, "tx", "hht", "command", "supplier", "esme", 8, use_case="ECS43"))
    now.see(message(2, "rx", "hht", "command", "supplier", "esme", 8, use_case="ECS42"))
    now.see(SENT)
    if not ending:
        LIBRARY.uploaded_response_should_succeed(told, "ecs42")
        return
    with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
        LIBRARY.uploaded_response_should_succeed(told, "ecs42")


def test_an_upload_of_a_command_that_was_never_sent_is_a_slip(now: Faked) -> None:
    now.see(SENT)
    with pytest.raises(Misused, match="no such command for gsme was sent in this test"):
        LIBRARY.uploaded_response_should_succeed([], "ECS42", device="gsme")


def test_a_command_is_sent_again_as_the_broker_had_it(now: Faked) -> None:
    now.see(message(2, "tx", "broker", "command", "supplier", "esme", octets="aa"))
    now.see(message(3, "tx", "broker", "command", "supplier", "esme", octets="bb"))
    now.see(message(4, "tx", "broker", "command", "supplier", "esme", 8, octets="cc"))
    now.see(message(5, "tx", "hub", "command", "supplier", "esme", octets="dd"))
    now.see(message(6, "rx", "broker", "command", "supplier", "esme", octets="ee"))
    again = command(spoilt="x")
    LIBRARY.send_again_by_wan(again)
    assert now.called == [("wan.send", "esme", {"octets": "bb"})]
    assert again == command(sent=6)
    assert (now.asked, judge().cause, now.action) == (asked(since=6), "ECS42", 6)
    LIBRARY.send_again_by_wan(command(final="ff"))
    assert now.called[1:] == [("wan.send", "esme", {"octets": "ff"})]
    with pytest.raises(Misused, match="ECS42 #9 was never sent by the broker"):
        LIBRARY.send_again_by_wan(command(counter=9))


def test_a_spoilt_command_is_a_good_one_altered_on_the_way(now: Faked) -> None:
    copied(now)
    now.answers["message.spoil"] = {"octets": octets("gsme", counter=9)}
    told = LIBRARY.send_spoilt_command("ECS43", spoil="recipient")
    spoilt = Asked(EUI["supplier"], EUI["gsme"], 9, 20, "supplier")
    assert told == command(use_case="ECS43", final=octets(), spoilt=spoilt)
    assert now.asked == spoilt
    assert judge().cause == ""
    assert now.did("message.spoil", "wan.send") == [
        ("message.spoil", "", {"octets": octets(), "spoil": "recipient"}),
        ("wan.send", "esme", {"octets": octets("gsme", counter=9)}),
    ]
    assert now.asked_for[0][2]["delivery"] == "local"
    assert now.waited == [2 * took("answer")]
    now.coming = [seen(30, LocalCopyReceived.kind, "supplier", counter=7, **{"for": EUI["esme"]})]
    now.replies["work_order"] = {"commands": []}
    with pytest.raises(SkipExecution, match="INFRA: supplier, which is part of the bench, has no local copy of ECS42"):
        LIBRARY.local_copy_of(command(since=20))
