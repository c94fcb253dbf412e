"""Robot library `rig.keywords.supplier.Supplier`: what a supplier sends, by which road, and what comes back.

Must not live here: how a message is built; the supplier machine does that.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from robot.api import logger
from robot.api.deco import keyword, library

from devices.events.messages import MessageSent
from devices.events.parties import LocalCopyReceived, PartyReceived
from devices.wire import axdr, cosem, gbcs
from rig.evidence.judging import Limit, Reading
from rig.keywords.judge import judge, judged
from rig.keywords.session import Matcher, Misused, session

__all__ = ["Delivery", "Supplier"]

RESPONSE, ALERT = 2, 3


class Delivery(Enum):
    """The road of a command: over the WAN, as a local copy for the terminal, or both."""

    WAN = "wan"
    LOCAL = "local"
    BOTH = "both"


@library(scope="GLOBAL", auto_keywords=False)
class Supplier:
    """Commands by use case or service request, and what the supplier learns of them."""

    @keyword
    def send_command(
        self,
        use_case: str,
        device: str = "esme",
        *,
        delivery: Delivery = Delivery.WAN,
        party: str = "supplier",
        **args: object,
    ) -> dict[str, Any]:
        """Build, sign and send the command of a use case, by its GBCS name; returns it.

        Returned: ``use_case``, ``device``, ``party``, ``counter``, ``octets`` and ``since`` (the last event before it).
        ``delivery``: WAN, LOCAL (only a copy for the terminal) or BOTH.  What the use case takes follows by name.

        Example:
        | ${command}=    Send Command    ECS43    esme |
        """
        session().begin_action(use_case.upper())
        return self.request(use_case, device, delivery=delivery, party=party, **args)

    def request(
        self,
        use_case: str,
        device: str = "esme",
        *,
        delivery: Delivery = Delivery.WAN,
        party: str = "supplier",
        **args: object,
    ) -> dict[str, Any]:
        """As the keyword, for commands that only look: waits go on counting from what the test did last."""
        now = session()
        since = now.mark
        use_case = use_case.upper() if use_case.islower() else use_case
        if use_case.startswith("CCS") and party == "supplier":
            return self.admit_to_hub(str(args.get("joiner", "esme")), hub=device, delivery=delivery)
        if use_case == "ECS70" and not args:
            args = _clock_window()
        told = now.ask(
            party, "command", use_case=use_case, device=_eui(device), args=dict(args), delivery=delivery.value
        )
        logger.info(f"{use_case} to {device} by {delivery.value}, originator counter {told['counter']}")
        if "warning" in told:
            logger.warn(f"{use_case} to {device}: {told['warning']}")
        return {"use_case": use_case, "device": device, "party": party, "since": since, **told}

    @keyword
    def admit_to_hub(
        self, device: str = "esme", *, hub: str = "hub", delivery: Delivery = Delivery.WAN, party: str = "supplier"
    ) -> dict[str, Any]:
        """Have the access control broker add a device to the hub's device log on behalf of the supplier (CCS01, SR
        8.11)."""
        now = session()
        since = now.mark
        told = now.devices[device]
        args = {
            "device": told["eui"],
            "install_code": told["install_code"],
            "device_type": str(told["kind"]).upper(),
            "join_time": 300,
        }
        counter = now.ask(party, "take_counter")["counter"]
        sent = now.ask(
            "broker", "command", use_case="CCS01", device=_eui(hub), on_behalf=_eui(party), counter=counter,
            args=args, delivery=delivery.value,
        )  # fmt: skip
        return {"use_case": "CCS01", "device": hub, "party": party, "since": since, **sent}

    @keyword
    def local_copy_of(self, command: dict[str, Any]) -> dict[str, Any]:
        """The final command, as the broker hands it back for a terminal."""
        return self._local_copy(command)

    @keyword
    def send_again_by_wan(self, command: dict[str, Any]) -> None:
        """Put the very octets of a command that was sent before on the WAN once more.

        Of a command that was spoilt: the good one."""
        now = session()
        now.begin_action(command["use_case"])
        if "final" in command:
            now.call("wan.send", device=command["device"], octets=command["final"])
            return
        sent = [e for e in now.events if e.kind == MessageSent.kind and e.fields.get("counter") == command["counter"]]
        final = [e for e in sent if e.fields["device"] == "broker" and e.fields.get("cra") == "command"]
        if not final:
            raise Misused(f"{command['use_case']} with counter {command['counter']} was never sent by the broker")
        now.call("wan.send", device=command["device"], octets=final[-1].fields["octets"])

    @keyword
    def send_spoilt_command(
        self, use_case: str, device: str = "esme", *, spoil: str, party: str = "supplier"
    ) -> dict[str, Any]:
        """Build a command, spoil it as an attacker would, and put it on the WAN.

        ``spoil``: ``payload`` (an octet altered on the way), ``signature`` (another's, with a good MAC), ``mac``,
        ``recipient`` (a good command for another device, carried to this one).
        """
        command = self.send_command(use_case, device, delivery=Delivery.LOCAL, party=party)
        copy = self._local_copy(command)
        session().begin_action()
        spoilt = session().call("message.spoil", octets=copy["octets"], spoil=spoil)["octets"]
        session().call("wan.send", device=device, octets=spoilt)
        return {**command, "final": copy["octets"]}

    @keyword
    @judged("response-arrives")
    def response_should_arrive(
        self, command: dict[str, Any], *, within: timedelta = timedelta(seconds=30)
    ) -> dict[str, Any]:
        """The verified response to ``command`` must reach the supplier by the WAN; returns what it says.

        Returned: ``success``, ``results`` (codes), ``values`` (of what was read), ``verified``.
        """
        called = f"a response to {command['use_case']} #{command['counter']} at {command['party']}"
        wanted = Matcher(PartyReceived, command["party"], {"counter": command["counter"], "cra": RESPONSE}, called)
        event = session().expect(wanted, within, command["since"])
        return _judge(event.fields, command)

    @keyword
    @judged("command-succeeds")
    def command_should_succeed(
        self, command: dict[str, Any], *, within: timedelta = timedelta(seconds=30)
    ) -> dict[str, Any]:
        """As `Response Should Arrive`, and every result in it must be success."""
        answer = self.response_should_arrive(command, within=within)
        if not answer.get("success"):
            raise session().unmet(f"{command['use_case']} carried out", f"results {answer.get('results')}")
        return answer

    @keyword
    @judged("no-response")
    def no_response_should_arrive(self, command: dict[str, Any], *, within: timedelta = timedelta(seconds=30)) -> None:
        """For so long no response to ``command`` may reach the supplier."""
        wanted = Matcher(PartyReceived, command["party"], {"counter": command["counter"], "cra": RESPONSE})
        event = session().wait(wanted, within, command["since"])
        if event is not None:
            results = event.fields.get("results")
            raise session().unmet(
                f"no response to {command['use_case']} #{command['counter']}",
                f"one at {event.at_ns / 1e9:.6f} s with results {results}",
            )

    @keyword
    @judged("one-response")
    def one_response_should_have_arrived(self, command: dict[str, Any]) -> None:
        """The supplier must have heard of this command once: by WAN or from a terminal, and not again."""
        wanted = Matcher(PartyReceived, command["party"], {"counter": command["counter"], "cra": RESPONSE})
        heard = [event for event in session().events if event.order > command["since"] and wanted.fits(event)]
        if len(heard) != 1:
            times = ", ".join(f"{event.at_ns / 1e9:.6f} s" for event in heard)
            raise session().unmet(
                f"one response to {command['use_case']} #{command['counter']}",
                f"{len(heard)}" + (f", at {times}" if times else ""),
            )

    @keyword
    @judged("alert-arrives:{code}")
    def alert_should_arrive(
        self, code: str, *, party: str = "supplier", within: timedelta = timedelta(minutes=5), since: int | None = None
    ) -> dict[str, Any]:
        """A verified alert with this code must reach ``party``; returns what it says.

        Example:
        | ${alert}=    Alert Should Arrive    0x8F36    party=network_operator |
        """
        wanted = Matcher(PartyReceived, party, {"cra": ALERT, "alert": _code(code)}, f"alert {code} at {party}")
        event = session().expect(wanted, within, session().since(since))
        if not event.fields.get("verified"):
            raise session().unmet(f"alert {code} with valid protection", dict(event.fields))
        return {**event.fields, **self._alert_times(party, event.fields["counter"])}

    def _alert_times(self, party: str, counter: int) -> dict[str, float]:
        """The times that an alert carries, in seconds since the Unix epoch: its own, then those of what it tells."""
        inbox = session().ask(party, "inbox")["messages"]
        octets = next(
            entry["octets"] for entry in reversed(inbox) if entry["cra"] == ALERT and entry["counter"] == counter
        )
        body = cosem.decode(gbcs.decode(bytes.fromhex(octets)).payload)
        parts = body.body.value if isinstance(body, cosem.Notification) and isinstance(body.body.value, tuple) else ()
        times = [_civil(part.value) for part in parts if isinstance(part.value, bytes) and len(part.value) == 12]
        return dict(zip(("at", "interrupted", "restored"), times, strict=False))

    @keyword
    def times_should_agree(self, told: float, true: float, *, within: timedelta = timedelta(seconds=1)) -> None:
        """A time that a device told must agree with the bench's own; how exactly is a limit of the test's own."""
        limit = Limit(-within.total_seconds(), within.total_seconds(), "s")
        held = replace(judge().expectation("times-agree"), limit=limit)
        reading = Reading(round(told - true, 6), "s", at_ns=session().now)
        logger.info(f"told {_clock(told)}, true {_clock(true)}: {judge().measured(held, '', reading)}")

    @keyword
    @judged("no-alert:{code}")
    def no_alert_should_arrive(
        self, code: str, *, party: str = "supplier", within: timedelta = timedelta(minutes=5), since: int | None = None
    ) -> None:
        """For so long no alert with this code may reach ``party``."""
        wanted = Matcher(PartyReceived, party, {"cra": ALERT, "alert": _code(code)})
        event = session().wait(wanted, within, session().since(since))
        if event is not None:
            raise session().unmet(f"no alert {code} at {party}", f"one at {event.at_ns / 1e9:.6f} s")

    @keyword
    def prepare_work_order(
        self, *use_cases: str, device: str = "esme", hub: str = "hub", party: str = "supplier"
    ) -> list[dict[str, Any]]:
        """Have local copies of these commands signed and MACed for the terminal; returns the work order's commands.

        A command may be written ``USE_CASE`` or ``USE_CASE:device``.

        Example:
        | ${order}=    Prepare Work Order    CCS01:hub    ECS70    ECS42 |
        """
        order = []
        for item in use_cases:
            name, _, target = item.partition(":")
            command = self.send_command(
                name, target or (hub if name.startswith("CCS") else device), delivery=Delivery.LOCAL, party=party
            )
            order.append(self._local_copy(command))
        return order

    def _local_copy(self, command: dict[str, Any]) -> dict[str, Any]:
        wanted = Matcher(LocalCopyReceived, command["party"], {"counter": command["counter"]})
        event = session().expect(wanted, timedelta(seconds=5), command["since"])
        orders = session().ask(command["party"], "work_order", device=_eui(command["device"]))["commands"]
        octets = next(order["octets"] for order in orders if _counter_of(order["octets"]) == event.fields["counter"])
        return {**command, "name": command["use_case"], "octets": octets, "target": _eui(command["device"])}

    @keyword
    def upload_responses(self, responses: list[str], *, party: str = "supplier") -> list[dict[str, Any]]:
        """Hand the supplier what a terminal brought back (SR 8.13); returns what it made of each message.

        Each of them: ``from`` (device), ``counter``, ``verified``, ``matched`` (to a command it sent), ``results``
        and ``alert``.
        """
        now = session()
        since = now.mark
        for octets in responses:
            now.ask(party, "receive_local", octets=octets)
        told = [
            e for e in now.events if e.order > since and e.kind == PartyReceived.kind and e.fields["device"] == party
        ]
        return [{**event.fields, "from": now.device_with(str(event.fields["from"]))} for event in told]

    @keyword
    @judged("uploaded-response")
    def uploaded_response_should_succeed(
        self, told: list[dict[str, Any]], command: str, *, device: str = "esme"
    ) -> None:
        """Among what the supplier made of an upload there must be a verified, successful response to a command.

        ``command`` is the GBCS name of its use case.

        Example:
        | ${told}=    Upload Responses    ${brought} |
        | Uploaded Response Should Succeed    ${told}    ECS42 |
        """
        sent = [
            e.fields
            for e in session().events
            if e.kind == MessageSent.kind and e.fields.get("use_case") == command.upper()
        ]
        counters = {fields["counter"] for fields in sent if fields.get("cra") == "command"}
        fit = [one for one in told if one["from"] == device and one["counter"] in counters and one["cra"] == RESPONSE]
        if not any(one["verified"] and one["results"] and not any(one["results"]) for one in fit):
            raise session().unmet(
                f"a verified success of {command} from {device}", [one["results"] for one in fit] or "none"
            )


def _counter_of(octets: str) -> int:
    return gbcs.decode(bytes.fromhex(octets)).counter


def _clock_window() -> dict[str, object]:
    """A window of a minute on either side of the bench's civil time, as the clock command wants it."""
    civil = session().call("clock.civil")["civil_ns"] // 1_000_000_000
    return {name: _clock(civil + offset) for name, offset in (("start", -60), ("end", 60))}


def _eui(device: str) -> str:
    devices = session().devices
    if device not in devices:
        raise Misused(f"no device {device!r} on this bench; it has {', '.join(devices)}")
    return str(devices[device]["eui"])


def _code(code: str) -> int:
    if not re.fullmatch(r"0x[0-9A-Fa-f]{4}", code):
        raise Misused(f"an alert code has four hexadecimal digits, such as 0x8F36; got {code!r}")
    return int(code, 16)


def _civil(octets: bytes) -> float:
    """A 12-octet DLMS date-time (UTC) in seconds since the Unix epoch."""
    year, month, day = struct.unpack(">HBB", octets[:4])
    hour, minute, second = octets[5:8]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _judge(fields: Any, command: dict[str, Any]) -> dict[str, Any]:
    if not fields.get("verified"):
        raise session().unmet(f"a response to {command['use_case']} with valid protection", dict(fields))
    results = list(fields["results"])
    values = [axdr.decode(bytes.fromhex(datum), 0)[0].value for datum in fields["data"]]
    return {**fields, "success": bool(results) and not any(results), "values": values}
