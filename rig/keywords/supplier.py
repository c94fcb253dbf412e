"""Robot library `rig.keywords.supplier.Supplier`: what a supplier sends, by which road, and what comes back.

Must not live here: how a message is built; the supplier machine does that.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Any

from robot.api import logger
from robot.api.deco import keyword, library

from rig.keywords.session import Matcher, Misused, session

__all__ = ["Delivery", "Supplier"]


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
        self, use_case: str, device: str = "esme", *, delivery: Delivery = Delivery.WAN, party: str = "supplier", **args: object
    ) -> dict[str, Any]:
        """Build, sign and send the command of a use case; returns it (use_case, device, counter, octets, since).

        Example:
        | ${command}=    Send Command    ECS43    esme |
        """
        now = session()
        since = now.mark
        told = now.ask(
            party, "command", use_case=use_case, device=_eui(device), args=dict(args), delivery=delivery.value
        )
        logger.info(f"{use_case} to {device} by {delivery.value}, originator counter {told['counter']}")
        return {"use_case": use_case, "device": device, "party": party, "since": since, **told}

    @keyword
    def response_should_arrive(self, command: dict[str, Any], *, within: timedelta = timedelta(seconds=30)) -> dict[str, Any]:
        """The verified response to ``command`` must reach the supplier by the WAN; returns what it says."""
        wanted = Matcher("party.received", command["party"], {"counter": command["counter"], "cra": "response"})
        event = session().expect(wanted, within, command["since"])
        return _judge(event.fields, command)

    @keyword
    def command_should_succeed(self, command: dict[str, Any], *, within: timedelta = timedelta(seconds=30)) -> dict[str, Any]:
        """As `Response Should Arrive`, and every result in it must be success."""
        answer = self.response_should_arrive(command, within=within)
        if not answer.get("success"):
            raise session().unmet(f"{command['use_case']} carried out", f"results {answer.get('results')}")
        return answer

    @keyword
    def no_response_should_arrive(self, command: dict[str, Any], *, within: timedelta = timedelta(seconds=30)) -> None:
        """For so long no response to ``command`` may reach the supplier."""
        wanted = Matcher("party.received", command["party"], {"counter": command["counter"], "cra": "response"})
        event = session().wait(wanted, within, command["since"])
        if event is not None:
            raise session().unmet(f"no response to {command['use_case']}", f"one at {event.at_ns / 1e9:.6f} s: {dict(event.fields)}")

    @keyword
    def alert_should_arrive(
        self, code: str, *, party: str = "supplier", within: timedelta = timedelta(minutes=5), since: int = 0
    ) -> dict[str, Any]:
        """A verified alert with this code must reach ``party``; returns what it says.

        Example:
        | ${alert}=    Alert Should Arrive    0x8F36    party=network_operator |
        """
        wanted = Matcher("party.received", party, {"cra": "alert", "alert": _code(code)})
        event = session().expect(wanted, within, since)
        if not event.fields.get("verified"):
            raise session().unmet(f"alert {code} with valid protection", dict(event.fields))
        return dict(event.fields)

    @keyword
    def no_alert_should_arrive(self, code: str, *, party: str = "supplier", within: timedelta = timedelta(minutes=5), since: int = 0) -> None:
        """For so long no alert with this code may reach ``party``."""
        event = session().wait(Matcher("party.received", party, {"cra": "alert", "alert": _code(code)}), within, since)
        if event is not None:
            raise session().unmet(f"no alert {code}", dict(event.fields))

    @keyword
    def prepare_work_order(self, *use_cases: str, device: str = "esme", hub: str = "hub", party: str = "supplier") -> list[dict[str, Any]]:
        """Have local copies of these commands signed and MACed for the terminal; returns the work order's commands.

        A command may be written ``USE_CASE`` or ``USE_CASE:device``.

        Example:
        | ${order}=    Prepare Work Order    CCS01:hub    ECS70    ECS42 |
        """
        order = []
        for item in use_cases:
            name, _, target = item.partition(":")
            command = self.send_command(name, target or (hub if name.startswith("CCS") else device), delivery=Delivery.LOCAL, party=party)
            order.append(self._local_copy(command))
        return order

    def _local_copy(self, command: dict[str, Any]) -> dict[str, Any]:
        wanted = Matcher("party.local_copy", command["party"], {"counter": command["counter"]})
        event = session().expect(wanted, timedelta(seconds=5), command["since"])
        return {**command, "name": command["use_case"], "octets": event.fields["octets"], "target": _eui(command["device"])}

    @keyword
    def upload_responses(self, responses: list[str], *, party: str = "supplier") -> list[dict[str, Any]]:
        """Hand the supplier what a terminal brought back (SR 8.13); returns what it made of each message."""
        return [dict(session().ask(party, "receive_local", octets=octets)) for octets in responses]


def _eui(device: str) -> str:
    devices = session().devices
    if device not in devices:
        raise Misused(f"no device {device!r} on this bench; it has {', '.join(devices)}")
    return str(devices[device]["eui"])


def _code(code: str) -> int:
    try:
        return int(code, 16)
    except ValueError:
        raise Misused(f"an alert code is hexadecimal, such as 0x8F36; got {code!r}") from None


def _judge(fields: Any, command: dict[str, Any]) -> dict[str, Any]:
    if not fields.get("verified"):
        raise session().unmet(f"a response to {command['use_case']} with valid protection", dict(fields))
    return dict(fields)
