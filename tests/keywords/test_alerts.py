"""Alerts that come once, counted at the tap of their party and not by what the party makes of them; or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.wire import gbcs
from rig.bus.messages import Event
from rig.keywords import alerts, supplier
from rig.keywords.alerts import Alerts
from rig.keywords.judge import Observed, Unmet, judge
from rig.keywords.session import Session
from rig.keywords.supplier import Supplier

METER, SUPPLIER = "00db1234567890a0", "90b3d51f30010000"
SECOND = 1_000_000_000


def alert(counter: int) -> str:
    message = gbcs.Message(3, counter, bytes.fromhex(METER), bytes.fromhex(SUPPLIER), 0x0067, b"\xd9")
    return gbcs.encode(message).hex()


class Told(Session):
    """A session in which these alerts came to the tap of the supplier, who tells of each but once."""

    def __init__(self, *counters: int) -> None:
        super().__init__()
        takes = {what: {"ns": 60 * SECOND, "basis": "ours", "declared": False} for what in ("alert", "answer")}
        self.devices = {
            "esme": {"kind": "esme", "eui": METER, "takes": takes},
            "supplier": {"kind": "supplier", "eui": SUPPLIER},
        }
        self.begin_action()
        for number, counter in enumerate(counters, 1):
            self._came("gbcs.rx", 2 * number, octets=alert(counter))
            if counter not in counters[: number - 1]:
                told = {"cra": 3, "alert": 0x8F36, "from": METER, "verified": True}
                self._came("party.received", 2 * number + 1, octets=alert(counter), **told)

    def _came(self, kind: str, order: int, **fields: Any) -> None:
        self.events.append(Event(order, 1, "boot", "head", kind, order * SECOND, {"device": "supplier", **fields}))

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        assert verb == "clock.advance", (device, args)
        self.now += args["span_ns"]
        return {}


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    yield
    judge().begin("")


def test_an_alert_that_came_once_has_come_once_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Told(7)
    monkeypatch.setattr(alerts, "session", lambda: now)
    assert Alerts().alert_should_arrive_once("0x8F36")["alert"] == 0x8F36
    assert now.now == 60 * SECOND
    assert now.unasked_alerts() == ()


@pytest.mark.parametrize("counters", [(7, 7), (7, 8), (7, 8, 7)])
def test_one_that_came_again_did_not_even_where_the_party_takes_no_notice(
    monkeypatch: pytest.MonkeyPatch, counters: tuple[int, ...]
) -> None:
    now = Told(*counters)
    monkeypatch.setattr(alerts, "session", lambda: now)
    with pytest.raises(Unmet, match=f"expected one alert 0x8F36 of esme at the tap of supplier, got {len(counters)}"):
        Alerts().alert_should_arrive_once("0x8F36")


COMMAND = {"use_case": "ECS43", "device": "esme", "party": "supplier", "counter": 7, "sent": 0}
NOTHING_CAME: dict[str, Callable[[timedelta | None], None]] = {
    "no alert 0x8F36": lambda within: Alerts().no_alert_should_arrive("0x8F36", within=within),
    "no response to ECS43": lambda within: Supplier().no_response_should_arrive(dict(COMMAND), within=within),
}


@pytest.mark.parametrize("claim", NOTHING_CAME)
@pytest.mark.parametrize(("within", "fails"), [(None, True), (timedelta(seconds=30), False)])
def test_what_came_while_a_read_was_tried_came(
    monkeypatch: pytest.MonkeyPatch, claim: str, within: timedelta | None, *, fails: bool
) -> None:
    now = Told()
    said: list[str] = []
    told = {"octets": alert(7), "from": METER, "recipient": SUPPLIER, "counter": 7, "alert": 0x8F36}

    def tried(*_: object) -> None:
        now.now += SECOND
        now._came("party.received", 9, cra=3 if "alert" in claim else 2, **told)

    for module in (alerts, supplier):
        monkeypatch.setattr(module, "session", lambda: now)
        monkeypatch.setattr(module, "heard_of", tried)
    monkeypatch.setattr(supplier, "crossing_shown", lambda *_: None)
    monkeypatch.setattr("robot.api.logger.info", said.append)
    if fails:
        with pytest.raises((Unmet, Observed), match=f"expected {claim}.*one at 9"):
            NOTHING_CAME[claim](within)
        return
    NOTHING_CAME[claim](within)
    assert "from 0.000000 s to 30.000000 s" in said[-1]  # what came later is no part of the claim


# ------------------------------------------------------------------------------------------------ notices of an outage

HUB = "00db1234567890a2"
TOLD = ("party.outage", {"device": "network_operator", "hub": HUB, "started": 5, "code": "AD1"})
SENT = ("outage.tx", {"device": "hub", "port": "wan", "hub": HUB, "started": 5})
NO_WAN = ("send.failed", {"device": "hub", "port": "wan", "reason": "the link is down"})
ALIVE = ("gbcs.rx", {"device": "broker", "originator": "00-DB-12-34-56-78-90-A2", "cra": "response", "counter": 1})


class AfterOutage(Session):
    """A session in which an outage of a hub is over, and this was seen."""

    def __init__(self, *seen: tuple[str, dict[str, Any]]) -> None:
        super().__init__()
        takes = {"alert": {"ns": 60 * SECOND, "basis": "ours", "declared": False}}
        kinds = {"hub": "comms_hub", "network_operator": "network_operator", "broker": "access_control_broker"}
        euis = {"hub": HUB, "network_operator": "90b3d51f30020000", "broker": "90b3d51f30000002"}
        self.devices = {name: {"kind": kind, "eui": euis[name], "takes": takes} for name, kind in kinds.items()}
        numbered = enumerate((ALIVE, *seen), 1)
        self.events = [Event(order, order, "boot", "hub", kind, order, told) for order, (kind, told) in numbered]

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        assert verb in ("clock.advance", "supply.sense", "tap.frames"), (device, args)
        return {"good": True, "by": "a pin", "whole": True, "frames": [], "more": False, "met": []}


@pytest.mark.parametrize(
    ("seen", "tells", "tells_not"),
    [
        ([SENT, TOLD], "", "expected no notice of an outage of hub, got one at"),
        ([SENT, TOLD, SENT, TOLD], "expected one notice of an outage of hub, got 2", "got one at"),
        ([], "expected a notice of an outage of hub at network_operator .*hub is the silent one", ""),
        ([SENT], "INFRA: .*the way behind hub lost it", "expected no notice of an outage of hub, got one at"),
        ([NO_WAN], "INFRA: .*the way behind hub lost it: .*cannot send by wan", "INFRA: .*the way behind hub lost it"),
    ],
)
def test_a_notice_of_an_outage_is_judged_by_what_the_party_was_told(
    monkeypatch: pytest.MonkeyPatch, seen: list[tuple[str, dict[str, Any]]], tells: str, tells_not: str
) -> None:
    now = AfterOutage(*seen)
    monkeypatch.setattr(alerts, "session", lambda: now)
    library = Alerts()
    for keyword, ending in (
        (library.hub_should_tell_of_outage, tells),
        (library.hub_should_not_tell_of_outage, tells_not),
    ):
        if not ending:
            keyword()
            continue
        with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
            keyword()
