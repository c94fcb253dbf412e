"""From a service request to its answer: through the broker, its limits, its trail and its schedules."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.access_control_broker import AccessControlBroker, BrokerSettings
from devices.machines.core import Effect, LinkChanged, Persist, PowerRestored, Received, Send, SendFailed, Started
from devices.machines.parts.anomaly_detection import Limits, VolumeLimit
from devices.machines.parts.audit_trail import AuditTrail, Receipt
from devices.machines.parts.building import arguments_of
from devices.machines.parts.transforming import Asking, Registry, request_named, transform
from devices.machines.transform_service import TransformService, TransformSettings
from devices.model import use_cases
from devices.trust import protection
from devices.trust.keystore import signing_key
from devices.trust.ledger import MemoryLedger
from devices.wire import gbcs
from tests.examples import examples
from tests.machines.lab import ACB, HUB, METER, NETWORK_OPERATOR, OTHER_SUPPLIER, SECOND, SUPPLIER, House, RefusedError

HOUR = 3600 * SECOND
DAY = 24 * HOUR
START = 1_446_854_400 * SECOND  # the civil time at which the bench begins
USERS = {
    SUPPLIER: frozenset({"IS"}),
    OTHER_SUPPLIER: frozenset({"OU"}),
    NETWORK_OPERATOR: frozenset({"ED"}),
}


class Dcc:
    """A furnished house whose broker has a transform service."""

    def __init__(self, *, registration: Any = None, commissioned: bool = False, **changes: Any) -> None:
        self.house = House(registration=registration)
        self.lab = self.house.lab
        if commissioned:
            self.house.commission()
        registry = Registry(USERS, {METER: "ESME", HUB: "CHF"})
        self.settings = TransformSettings(**{"registry": registry, **changes})
        self.ledger = MemoryLedger(9000)
        self.registration = registration
        self.station = self.lab.stations["broker"]
        self.boot()
        self.lab.feed("broker", Started({}))

    def boot(self) -> None:
        """A broker as its process begins: of the old one nothing is left but the ledger."""
        self.service = TransformService(self.settings, ACB, self.ledger)
        broker = BrokerSettings(ACB, registration=self.registration)
        keys, publics = self.house.keys(ACB), self.house.publics
        self.station.machine = AccessControlBroker(broker, keys, publics, self.ledger, self.service)

    def cut(self, away: int = SECOND) -> None:
        """Power away and back."""
        saved = json.loads(json.dumps(self.station.saved))
        self.station.timers.clear()
        self.lab.run(away)
        self.boot()
        self.lab.feed("broker", PowerRestored(saved, away))

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        return self.lab.ask("broker", verb, **args)

    def request(self, request: str, counter: int = 7, user: bytes = SUPPLIER, **more: Any) -> dict[str, Any]:
        fields = {"request": request, "user": user.hex(), "device": METER.hex(), "counter": counter, **more}
        return self.ask("request", **fields)

    def sign(self, pre_command: str, user: bytes = SUPPLIER) -> bytes:
        message = gbcs.decode(bytes.fromhex(pre_command))
        return gbcs.encode(protection.sign(message, self.house.keys(user), signing_key(user)))

    def hand_in(self, octets: bytes, user: bytes = SUPPLIER, way: str = "wan") -> list[str]:
        """Reasons for refusal; none when it was taken."""
        before = len(self.station.kinds("broker.refused"))
        self.lab.feed("broker", Received(f"users.{way}", user, octets))
        return [str(fields["reason"]) for fields in self.station.kinds("broker.refused")[before:]]

    def sent(self, port: str = "wan") -> list[gbcs.Message]:
        return [gbcs.decode(s.octets) for _, name, s in self.lab.sent if name == "broker" and s.port == port]

    def state(self, answer: dict[str, Any]) -> str:
        return str(self.ask("state_of", user=SUPPLIER.hex(), request_id=answer["request_id"])["state"])

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.service.audit.entries]


# --------------------------------------------------------------------------------------------------------- transforming


def test_every_published_pre_command_comes_of_its_service_request(corpus_dir: Path) -> None:
    """Number, named arguments and counter give the published octets, with nothing after the payload."""
    lines = map(json.loads, (corpus_dir / "gbcs-open.jsonl").read_text("utf-8").splitlines())
    checked = 0
    for line in lines:
        if line["kind"] != "precommand" or line["service_request"] == "NA":
            continue
        octets = bytes.fromhex(line["hex"])
        message = gbcs.decode(octets)
        use_case = use_cases.by_code(message.message_code)
        assert use_case is not None
        request = request_named(line["service_request"])
        user, device = message.originator, message.recipient
        registry = Registry({user: frozenset(request.roles or ("IS",))}, {device: use_case.devices[0]})
        named = arguments_of(message)
        asking = Asking(user, request, device, message.counter, named, f"0x{use_case.code:04X}")
        found, built = transform(asking, registry, ACB)
        assert gbcs.encode(built) == octets, line["name"]
        assert found is use_case
        checked += 1
    assert checked >= 100


def test_enable_supply_from_the_request_to_the_open_door() -> None:
    """7.1: transformed, signed, MACed, executed by a meter, answered, matched."""
    dcc = Dcc(commissioned=True)
    answer = dcc.request("7.1 Enable Supply")
    pre_command = answer["pre_command"]
    assert pre_command.startswith("df0901")
    assert pre_command.endswith("00")
    assert dcc.state(answer) == "unsigned"
    assert dcc.hand_in(dcc.sign(pre_command)) == []
    assert dcc.state(answer) == "sent"
    dcc.lab.run(10 * SECOND)
    assert dcc.state(answer) == "answered"
    supplier = dcc.lab.stations["supplier"]
    [response] = [fields for fields in supplier.kinds("party.received") if fields["message_code"] == 0x4F]
    assert (response["cra"], response["verified"]) == (2, True)
    executed = [fields["use_case"] for fields in dcc.lab.stations["meter"].kinds("executed")]
    assert "ECS42" in executed
    assert dcc.kinds() == ["requested", "sent", "answered"]


@pytest.mark.parametrize(("trailing", "length"), [(True, 1), (False, 0)])
def test_the_ending_of_a_pre_command_is_a_setting(trailing: bool, length: int) -> None:
    """facts/gbcs.md 11 no. 23."""
    dcc = Dcc(trailing_zero=trailing)
    octets = bytes.fromhex(dcc.request("7.1")["pre_command"])
    message = gbcs.decode(octets)
    assert octets == gbcs.encode(message._replace(signature=None)) + bytes(length)
    assert dcc.hand_in(dcc.sign(octets.hex())) == []


def test_what_is_not_critical_goes_at_once() -> None:
    dcc = Dcc()
    answer = dcc.request("7.4")
    assert "pre_command" not in answer
    [message] = dcc.sent()
    assert (message.originator, message.counter, message.signature) == (SUPPLIER, 7, b"")
    assert message.mac is not None


def test_for_a_user_whom_the_device_does_not_know_the_broker_asks() -> None:
    """9.1: the CIN, of another user; facts/gbcs.md 1.3."""
    dcc = Dcc()
    answer = dcc.request("9.1", user=OTHER_SUPPLIER, args={"cin": "1234"})
    [message] = dcc.sent()
    assert (message.originator, message.counter) == (ACB, 9000)
    assert (message.supplementary_party, message.supplementary_counter) == (OTHER_SUPPLIER, 7)
    assert message.payload[1:5] == (0x20 << 24 | 9000).to_bytes(4, "big")
    assert answer["request_id"].endswith(":7")


CELLS = {"authorising_cell": {"role": 4, "key_usage": ["key_agreement"]}, "roles": [2]}


def test_what_the_broker_asks_in_its_own_name_is_still_answered_to_the_user() -> None:
    """6.24.1: its command has no place for a user."""
    dcc = Dcc(commissioned=True)
    answer = dcc.request("6.24.1", use_case="CS02a", args=CELLS)
    command = dcc.sent()[-1]
    assert (command.originator, command.supplementary_party, command.signature) == (ACB, None, b"")
    assert command.mac is not None
    response = command._replace(cra=gbcs.CRA.RESPONSE, originator=METER, recipient=ACB)
    dcc.lab.feed("broker", Received("wan", HUB, gbcs.encode(response)))
    assert dcc.state(answer) == "answered"
    [(port, peer)] = [(s.port, s.peer) for _, name, s in dcc.lab.sent[-1:] if name == "broker"]
    assert (port, peer) == ("users.wan", SUPPLIER)


def test_what_is_critical_for_the_device_and_not_for_the_user_the_broker_signs(corpus_dir: Path) -> None:
    """8.8.2: the published command of the broker for another user, but for its signature."""
    lines = map(json.loads, (corpus_dir / "gbcs-open.jsonl").read_text("utf-8").splitlines())
    from_broker = [line for line in lines if int(line["message_code"], 16) == 0x0F and line["originator"] == ACB.hex()]
    line = next(line for line in from_broker if line["kind"] == "command")
    published = gbcs.decode(bytes.fromhex(line["hex"]))
    dcc = Dcc()
    dcc.request("8.8.2", user=OTHER_SUPPLIER, use_case="CS04AC", args=arguments_of(published))
    [message] = dcc.sent()
    assert (message.originator, message.supplementary_party) == (ACB, OTHER_SUPPLIER)
    assert message.payload == published.payload
    assert protection.signature_valid(message, dcc.house.publics[signing_key(ACB)])


@pytest.mark.parametrize(("variant", "ports"), [(1, ["wan"]), (2, ["users.local"]), (3, ["wan", "users.local"])])
def test_command_variants_are_ways_of_delivery(variant: int, ports: list[str]) -> None:
    dcc = Dcc()
    dcc.request("7.4", variant=variant)
    assert [send.port for _, name, send in dcc.lab.sent if name == "broker"] == ports


@pytest.mark.parametrize("way", ["local", "both"])
def test_signed_pre_commands_go_the_way_they_came_for(way: str) -> None:
    dcc = Dcc()
    assert dcc.hand_in(dcc.sign(dcc.request("7.2")["pre_command"]), way=way) == []
    assert len(dcc.sent("users.local")) == 1
    assert len(dcc.sent("wan")) == (way == "both")


def test_a_supplier_signs_what_its_request_became() -> None:
    """Request, pre-command, signature, response and its match, all between the machines."""
    dcc = Dcc(commissioned=True)
    counter = dcc.lab.ask("supplier", "take_counter")["counter"]
    answer = dcc.request("7.2", counter)
    signed = dcc.lab.ask("supplier", "sign", octets=answer["pre_command"])
    assert signed["request_id"] == answer["request_id"]
    dcc.lab.run(10 * SECOND)
    assert dcc.state(answer) == "answered"
    [response] = [m for m in dcc.lab.ask("supplier", "inbox")["messages"] if m["message_code"] == 0x50]
    assert (response["matched"], response["verified"]) == (True, True)
    assert dcc.lab.ask("meter", "state")["supply"] == "disabled"


@pytest.mark.parametrize("wrong", ["xyz", "", "signed", "rival", "response"])
def test_a_supplier_signs_nothing_else(wrong: str) -> None:
    dcc = Dcc()
    pre_command = dcc.request("7.2")["pre_command"]
    plain = gbcs.decode(bytes.fromhex(pre_command))
    octets = {
        "signed": dcc.sign(pre_command).hex(),
        "rival": gbcs.encode(plain._replace(originator=OTHER_SUPPLIER)).hex(),
        "response": gbcs.encode(plain._replace(cra=gbcs.CRA.RESPONSE)).hex(),
    }.get(wrong, wrong)
    with pytest.raises(RefusedError):
        dcc.lab.ask("supplier", "sign", octets=octets)
    dcc.lab.run(SECOND)
    assert dcc.sent() == []


# -------------------------------------------------------------------------------------------------------------- refused


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"request": "7.99"}, "expected a service request such as 7.1"),
    ({"request": "7.1", "user": NETWORK_OPERATOR}, "is for the roles IS, and this user is ED"),
    ({"request": "7.1", "user": bytes(8)}, "has no role; register it"),
    ({"request": "7.1", "device": HUB.hex()}, "is for ESME, not for a CHF"),
    ({"request": "7.1", "device": "00" * 8}, "the directory holds no public key"),
    ({"request": "7.1", "counter": -1}, "argument 'counter'"),
    ({"request": "7.1", "counter": True}, "argument 'counter'"),
    ({"request": "7.1", "variant": 1}, "comes in command variants 4, 5, 6, 7, got 1"),
    ({"request": "7.4", "variant": 4}, "comes in command variants 1, 2, 3, got 4"),
    ({"request": "8.2"}, "comes in command variants none, got 8"),
    ({"request": "7.1", "args": {"loud": True}}, "loud"),
    ({"request": "7.1", "args": [1]}, "expected names and values"),
    ({"request": "6.13"}, "may be any of ECS35a"),
    ({"request": "6.13", "use_case": "ECS42"}, "expected one of ECS35a"),
    ({"request": "6.23", "use_case": "CS02b", "args": {}}, "is signed by the transitional_cos"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=[reason[:30] for _, reason in REFUSED])
def test_refused_requests_leave_nothing_behind(changes: dict[str, Any], reason: str) -> None:
    dcc = Dcc()
    before = json.dumps(dcc.station.saved)
    with pytest.raises(RefusedError, match=reason):
        dcc.request(**changes)
    assert dcc.sent() == []
    assert json.dumps(dcc.station.saved) == before
    assert dcc.ledger.peek("commands") == 9000


def test_registration_decides_who_may_ask() -> None:
    """SA-7."""
    dcc = Dcc(registration={METER: frozenset({OTHER_SUPPLIER})})
    with pytest.raises(RefusedError, match="not registered"):
        dcc.request("7.1")


def test_a_counter_is_used_once() -> None:
    dcc = Dcc()
    dcc.request("7.4")
    with pytest.raises(RefusedError, match="was made already"):
        dcc.request("7.1")


def altered(octets: bytes, dcc: Dcc, **changes: Any) -> bytes:
    message = gbcs.decode(octets)._replace(signature=None, **changes)
    return gbcs.encode(protection.sign(message, dcc.house.keys(SUPPLIER), signing_key(SUPPLIER)))


def test_what_is_signed_must_be_what_was_transformed() -> None:
    """Properly signed, but for another script: enable where disable was asked for."""
    dcc = Dcc()
    signed = dcc.sign(dcc.request("7.2")["pre_command"])
    payload = gbcs.decode(signed).payload
    assert payload.endswith(b"\x12\x00\x34")
    wrong = altered(signed, dcc, payload=payload[:-1] + b"\x33")
    assert "not what request" in dcc.hand_in(wrong)[0]
    assert "not what request" in dcc.hand_in(altered(signed, dcc, message_code=0x4F))[0]
    assert dcc.sent() == []
    assert dcc.hand_in(signed) == []


def test_a_signed_pre_command_goes_once() -> None:
    dcc = Dcc()
    signed = dcc.sign(dcc.request("7.2")["pre_command"])
    assert dcc.hand_in(signed) == []
    assert "is sent; take the next counter" in dcc.hand_in(signed)[0]
    assert len(dcc.sent()) == 1


@pytest.mark.parametrize("only", [True, False])
def test_a_pre_command_that_nobody_asked_for(only: bool) -> None:
    asked, other = Dcc(), Dcc(only_transformed=only)
    signed = asked.sign(asked.request("7.2")["pre_command"])
    reasons = other.hand_in(signed)
    assert len(reasons) == only
    assert len(other.sent()) == (not only)
    if not only:
        assert other.service.audit.entries[0].fields["requests"] == ["7.2"]


def test_nobody_sees_another_s_requests() -> None:
    """DG-3."""
    dcc = Dcc()
    identifier = dcc.request("7.4")["request_id"]
    assert [row["request_id"] for row in dcc.ask("requests", user=SUPPLIER.hex())["requests"]] == [identifier]
    assert dcc.ask("requests", user=OTHER_SUPPLIER.hex())["requests"] == []
    with pytest.raises(RefusedError, match="there is no request"):
        dcc.ask("state_of", user=OTHER_SUPPLIER.hex(), request_id=identifier)


# --------------------------------------------------------------------------------------------- limits, time-outs, trail


MASS = Limits([VolumeLimit("disabling", requests=frozenset({"7.2"}), most=3)])


def test_a_mass_of_valid_disables_is_held_back_and_can_be_released() -> None:
    """SA-8."""
    dcc = Dcc(limits=MASS)
    answers = [dcc.request("7.2", counter) for counter in range(1, 11)]
    for answer in answers:
        assert dcc.hand_in(dcc.sign(answer["pre_command"])) == []
    assert len(dcc.sent()) == 3
    assert [dcc.state(answer) for answer in answers] == ["sent"] * 3 + ["quarantined"] * 7
    dcc.cut()
    held = dcc.ask("requests", state="quarantined")
    assert len(held["requests"]) == 7
    assert held["closed"] == [f"disabling/{SUPPLIER.hex()}"]
    assert dcc.ask("release", request_id=answers[5]["request_id"])["state"] == "sent"
    assert dcc.ask("reject", request_id=answers[6]["request_id"])["state"] == "rejected"
    assert len(dcc.sent()) == 4
    with pytest.raises(RefusedError, match="it is rejected, and is not held back"):
        dcc.ask("release", request_id=answers[6]["request_id"])
    dcc.ask("open_limit", limit="disabling")
    assert dcc.hand_in(dcc.sign(dcc.request("7.2", 99)["pre_command"])) == []
    assert len(dcc.sent()) == 5


def test_a_pre_command_that_is_never_signed_expires() -> None:
    dcc = Dcc(signature_ns=HOUR)
    answer = dcc.request("7.2")
    dcc.lab.run(HOUR + SECOND)
    assert dcc.state(answer) == "expired"
    assert "is never signed" in dcc.hand_in(dcc.sign(answer["pre_command"]))[0]


def test_an_answer_that_does_not_come_is_timed_out_and_counts_when_it_does() -> None:
    dcc = Dcc(answer_ns=HOUR)
    answer = dcc.request("7.4")
    dcc.cut(2 * HOUR)  # it ends while the broker has no power
    assert dcc.state(answer) == "timed_out"
    command = dcc.sent()[0]
    late = command._replace(cra=gbcs.CRA.RESPONSE, originator=METER, recipient=SUPPLIER)
    dcc.lab.feed("broker", Received("wan", HUB, gbcs.encode(late)))
    assert dcc.state(answer) == "answered"
    dcc.lab.feed("broker", Received("wan", HUB, gbcs.encode(late)))
    assert dcc.kinds()[-3:] == ["overdue", "answered", "unexpected"]


def test_everything_is_kept_before_anything_leaves() -> None:
    dcc = Dcc()
    pre_command = dcc.request("7.2")["pre_command"]
    effects: list[Effect] = dcc.lab.feed("broker", Received("users.wan", SUPPLIER, dcc.sign(pre_command)))
    kept = [i for i, effect in enumerate(effects) if isinstance(effect, Persist)]
    left = [i for i, effect in enumerate(effects) if isinstance(effect, Send)]
    assert len(left) == 1
    assert max(kept) < min(left)


def test_a_power_cut_between_any_two_events_changes_nothing() -> None:
    whole, cut = Dcc(limits=MASS), Dcc(limits=MASS)
    for dcc in (whole, cut):
        for counter in range(1, 6):
            answer = dcc.request("7.2", counter)
            if dcc is cut:
                dcc.cut(0)
            dcc.hand_in(dcc.sign(answer["pre_command"]))
            if dcc is cut:
                dcc.cut(0)
    assert cut.station.saved == whole.station.saved
    assert len(cut.sent()) == 3


def test_the_trail_holds_against_the_receipts_of_the_users() -> None:
    dcc = Dcc()
    receipts = []
    for counter in range(1, 5):
        number, link = dcc.request("7.4", counter)["receipt"]
        receipts.append(Receipt(number, bytes.fromhex(link)))
    trail = AuditTrail()
    trail.restore(dcc.ask("audit")["trail"])
    trail.verify(receipts)
    assert [entry.kind for entry in trail.entries] == ["requested", "sent"] * 4
    asked = trail.entries[0].fields
    assert (asked["requests"], asked["use_case"], asked["recipient"]) == (["7.4"], "ECS45", METER.hex())


def test_a_trail_that_was_tampered_with_closes_the_service() -> None:
    dcc = Dcc()
    signed = dcc.sign(dcc.request("7.2")["pre_command"])
    dcc.station.saved["audit.0"][0][6]["recipient"] = HUB.hex()
    dcc.cut()
    saved = json.dumps(dcc.station.saved)
    with pytest.raises(RefusedError, match=r"audit trail does not hold \(entry 1: what it says was changed"):
        dcc.request("7.4", 8)
    assert "audit trail does not hold" in dcc.hand_in(signed)[0]
    dcc.lab.feed("broker", LinkChanged("wan", True))
    dcc.lab.run(2 * DAY)
    assert dcc.sent() == []
    assert json.dumps(dcc.station.saved) == saved


def test_requests_that_are_over_make_room_and_open_ones_do_not() -> None:
    dcc = Dcc(remembered=2)
    first, second = dcc.request("7.2", 1), dcc.request("7.2", 2)
    with pytest.raises(RefusedError, match="2 requests are open"):
        dcc.request("7.2", 3)
    dcc.lab.run(25 * HOUR)
    assert {dcc.state(first), dcc.state(second)} == {"expired"}
    dcc.request("7.2", 3)
    dcc.cut()
    assert [entry.message.counter for entry in dcc.service.requests] == [2, 3]


# ----------------------------------------------------------------------------------------------- schedules and queueing


def schedule(dcc: Dcc, **changes: Any) -> dict[str, Any]:
    fields = {
        "user": SUPPLIER.hex(),
        "name": "events",
        "request": "6.13",
        "use_case": "ECS35a",
        "device": METER.hex(),
        "args": {"from": "{begin:zcl}", "to": "{last:zcl}"},
        "unit": "day",
        **changes,
    }
    return dcc.ask("schedule", **fields)


def ranges(dcc: Dcc) -> list[tuple[int, int]]:
    found = []
    for message in dcc.sent():
        [(_, value)] = [(name, value) for name, value in arguments_of(message).items() if isinstance(value, dict)]
        found.append((value["from_value"], value["to_value"]))
    return found


def test_a_scheduled_read_comes_once_for_each_period_over_an_outage() -> None:
    """SA-6."""
    dcc = Dcc()
    schedule(dcc)
    dcc.lab.run(2 * DAY + HOUR)
    assert len(dcc.sent()) == 2
    dcc.cut(3 * DAY)
    dcc.cut(0)
    dcc.lab.run(DAY)
    found = ranges(dcc)
    assert len(found) == 6
    assert all(last - first == 86_399 for first, last in found)
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(found))
    assert {message.supplementary_party for message in dcc.sent()} == {SUPPLIER}
    assert len({message.counter for message in dcc.sent()}) == 6


def test_schedules_are_listed_and_removed_by_their_own_user() -> None:
    dcc = Dcc()
    schedule(dcc)
    [row] = dcc.ask("schedules", user=SUPPLIER.hex())["schedules"]
    assert (row["name"], row["done"], row["next"]) == ("events", 0, START + DAY)
    assert dcc.ask("schedules", user=OTHER_SUPPLIER.hex())["schedules"] == []
    with pytest.raises(RefusedError, match="there is no schedule"):
        dcc.ask("unschedule", user=OTHER_SUPPLIER.hex(), name="events")
    dcc.ask("unschedule", user=SUPPLIER.hex(), name="events")
    dcc.lab.run(3 * DAY)
    assert dcc.sent() == []


WRONG = [
    ({"request": "7.2", "args": {}, "use_case": "ECS43"}, "the user must sign it, and it is scheduled"),
    ({"args": {"from": "{middle}", "to": "{end}"}}, "expected {begin}, {end} or {last}"),
    ({"start": "soon"}, "expected whole numbers"),
    ({"unit": "moon"}, "a schedule runs every"),
    ({"device": HUB.hex()}, "expected one of ECS35c"),
]


@pytest.mark.parametrize(("changes", "reason"), WRONG, ids=[reason[:20] for _, reason in WRONG])
def test_schedules_that_cannot_run_are_refused_at_once(changes: dict[str, Any], reason: str) -> None:
    dcc = Dcc()
    with pytest.raises(RefusedError, match=reason):
        schedule(dcc, **changes)
    assert dcc.service.schedules.all == ()


def test_what_cannot_leave_waits_in_order_and_over_a_power_cut() -> None:
    dcc = Dcc()
    effects: list[Effect] = []
    for counter in (1, 2):
        dcc.request("7.4", counter)
    sends = [send for _, name, send in dcc.lab.sent if name == "broker"]
    for send in sends:
        effects += dcc.lab.feed("broker", SendFailed("wan", METER, send.token, "the link is down"))
    dcc.request("7.4", 3)  # goes behind those that wait
    assert len(dcc.sent()) == 2
    dcc.cut()
    dcc.lab.feed("broker", LinkChanged("wan", False))
    assert len(dcc.sent()) == 2
    dcc.lab.feed("broker", LinkChanged("wan", True))
    assert [message.counter for message in dcc.sent()] == [1, 2, 1, 2, 3]
    dcc.lab.feed("broker", LinkChanged("wan", True))
    assert len(dcc.sent()) == 5


def test_what_is_given_up_does_not_leave_days_late() -> None:
    """A supply that went off long after anybody wanted it would be worse than one that did not."""
    dcc = Dcc(answer_ns=HOUR)
    for counter in (1, 2):
        dcc.request("7.4", counter)
        token = [send.token for _, name, send in dcc.lab.sent if name == "broker"][-1]
        if counter == 1:
            dcc.lab.feed("broker", SendFailed("wan", METER, token, "the link is down"))
            dcc.lab.run(HOUR // 2)
    dcc.lab.run(HOUR // 2 + SECOND)
    assert [entry.state.name for entry in dcc.service.requests] == ["TIMED_OUT", "SENT"]
    dcc.lab.feed("broker", LinkChanged("wan", True))
    assert [message.counter for message in dcc.sent()] == [1, 2]
    assert dcc.station.saved["postbox"] == []


def test_what_failed_late_goes_before_what_was_given_after_it() -> None:
    dcc = Dcc()
    for counter in (1, 2, 3):
        dcc.request("7.4", counter)
    tokens = [send.token for _, name, send in dcc.lab.sent if name == "broker"]
    for token in (tokens[2], tokens[0], tokens[1]):
        dcc.lab.feed("broker", SendFailed("wan", METER, token, "no"))
    dcc.lab.feed("broker", LinkChanged("wan", True))
    assert [message.counter for message in dcc.sent()[3:]] == [1, 2, 3]


# ---------------------------------------------------------------------------------------- every answer, field by field


def test_a_request_is_answered_field_by_field() -> None:
    dcc = Dcc()
    answer = dcc.request("7.1")
    row = {
        "request_id": answer["request_id"],
        "requests": ["7.1"],
        "device": METER.hex(),
        "message_code": 0x4F,
        "state": "unsigned",
        "reasons": [],
    }
    head = dcc.service.audit.head
    assert {**answer, "pre_command": ""} == {**row, "receipt": [head.number, head.link.hex()], "pre_command": ""}
    assert dcc.ask("requests") == {"requests": [row], "closed": dcc.service.anomaly.closed}
    mine, other = {"user": SUPPLIER.hex()}, {"user": OTHER_SUPPLIER.hex()}
    assert dcc.ask("requests", **mine, state="unsigned")["requests"] == [row]
    assert dcc.ask("requests", **mine, state="sent")["requests"] == []
    assert dcc.ask("requests", **other)["requests"] == []
    with pytest.raises(RefusedError, match=r"there is no request .*; see the list of your own"):
        dcc.ask("state_of", **other, request_id=answer["request_id"])
    with pytest.raises(RefusedError, match="it waits for its signature, and is not held back"):
        dcc.ask("release", request_id=answer["request_id"])
    with pytest.raises(RefusedError, match="there is no request 'x'; see the list of your own"):
        dcc.ask("reject", request_id="x")


@pytest.mark.parametrize("counter", [0, (1 << 63) - 1, 1 << 63, -1, None])
def test_counters_have_63_bits(counter: Any) -> None:
    dcc = Dcc()
    if counter is not None and 0 <= counter < 1 << 63:
        assert dcc.request("7.1", counter)["state"] == "unsigned"
    else:
        with pytest.raises(RefusedError, match=f"expected the user's next counter, got {counter!r}"):
            dcc.request("7.1", counter)


@pytest.mark.parametrize(("state", "setting"), [("expired", "signature_ns"), ("timed_out", "answer_ns")])
def test_what_is_waited_for_too_long_is_given_up_at_its_time(state: str, setting: str) -> None:
    changes: dict[str, Any] = {setting: 7 * SECOND}
    dcc = Dcc(**changes)
    answer = dcc.request("7.1" if state == "expired" else "7.4")
    before = dcc.state(answer)
    dcc.lab.run(7 * SECOND - 1)
    assert dcc.state(answer) == before
    dcc.lab.run(1)
    assert dcc.state(answer) == state
    (told,) = dcc.station.kinds("service.overdue")
    assert (told["request_id"], told["state"]) == (answer["request_id"], state)


def test_a_schedule_runs_daily_from_now_unless_said_otherwise() -> None:
    dcc = Dcc()
    fields = {"user": SUPPLIER.hex(), "name": "events", "request": "6.13", "use_case": "ECS35a", "device": METER.hex()}
    answer = dcc.ask("schedule", **fields, args={"from": "{begin:zcl}", "to": "{last:zcl}"})
    assert answer == {"name": f"{SUPPLIER.hex()}/events", "unit": "day", "every": 1}
    (one,) = dcc.service.schedules.all
    assert (one.start, one.unit, one.every, one.end, one.local) == (START, "day", 1, None, False)
    gone = dcc.ask("unschedule", user=SUPPLIER.hex(), name="events")
    assert gone == {"name": f"{SUPPLIER.hex()}/events", "done": 0}
    for wrong in ({"start": "x"}, {"every": "x"}, {"end": "x"}):
        with pytest.raises(RefusedError, match="arguments 'start', 'end', 'every': expected whole numbers"):
            dcc.ask("schedule", **fields, args={"from": "{begin:zcl}", "to": "{last:zcl}"}, **wrong)


def test_what_nobody_asked_for_is_told_and_goes_on() -> None:
    dcc = Dcc()
    for cra, kind in ((gbcs.CRA.RESPONSE, "service.unexpected"), (gbcs.CRA.ALERT, "service.alert")):
        message = gbcs.Message(cra, 3, METER, SUPPLIER, 0x52, b"\x0f", mac=bytes(12), signature=b"")
        dcc.lab.feed("broker", Received("wan", HUB, gbcs.encode(message)))
        (told,) = dcc.station.kinds(kind)
        assert (told["from"], told["counter"]) == (METER.hex(), 3)
        assert dcc.sent("users.wan")[-1] == message
    assert dcc.kinds() == ["unexpected", "alert"]


# ------------------------------------------------------------------------------------------------------------ bad input


VALUES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["7.1", METER.hex(), "6.13"])
)
NAMES = st.sampled_from(
    [
        "user",
        "request",
        "device",
        "counter",
        "args",
        "use_case",
        "variant",
        "request_id",
        "name",
        "unit",
        "start",
        "end",
    ]
)


@settings(max_examples=examples(60))
@given(
    verb=st.sampled_from(TransformService(TransformSettings(), ACB, MemoryLedger()).verbs),
    args=st.dictionaries(NAMES, VALUES | st.dictionaries(st.text(max_size=5), VALUES, max_size=3)),
)
def test_any_arguments_are_answered_or_refused(verb: str, args: dict[str, Any]) -> None:
    with suppress(RefusedError):
        _RUNNING.ask(verb, **args)
    _RUNNING.service.audit.verify()


@given(octets=st.binary(max_size=150), port=st.sampled_from(["wan", "users.wan", "users.local", "users.both"]))
def test_any_octets_are_survived(octets: bytes, port: str) -> None:
    before = len(_RUNNING.sent())
    _RUNNING.lab.feed("broker", Received(port, SUPPLIER, octets))
    assert len(_RUNNING.sent()) == before


_RUNNING = Dcc()
