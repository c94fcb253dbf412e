"""Robot library `rig.keywords.supplier.Supplier`: what a supplier sends, by which road, and what comes back.

Must not live here: how a message is built; the supplier machine does that.  Alerts (``alerts``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library

from devices.events.messages import MessageSent
from devices.events.parties import LocalCopyReceived, PartyReceived
from devices.wire import axdr
from rig.bus.messages import Event
from rig.keywords.connection import Misused
from rig.keywords.copies import copy_with, ids_of
from rig.keywords.judge import judged
from rig.keywords.matching import Matcher
from rig.keywords.session import session
from rig.keywords.silence import Asked, blame, crossing_shown, heard_of

__all__ = ["RESPONSE", "Delivery", "Supplier"]

RESPONSE = 2
"""The CRA flag of a response."""
OF_BROKER = "CCS"
"""How the use cases begin that the access control broker builds on behalf of a user: those of the hub."""
JOIN_TIME_S = 300


class Delivery(Enum):
    """The road of a command: over the WAN, as a local copy for the terminal, or both."""

    WAN = "wan"
    LOCAL = "local"
    BOTH = "both"


@library(scope="GLOBAL", auto_keywords=False)
class Supplier:
    """Commands by use case or service request, and what the supplier learns of them.

    What a supplier or the access control broker made of the octets that came to it (read and verified) counts as
    judged: those parties are part of the bench.  The event in the log names the octets.
    """

    @keyword
    def send_command(
        self,
        use_case: str,
        /,
        *target: str,
        delivery: Delivery = Delivery.WAN,
        party: str = "supplier",
        **args: object,
    ) -> dict[str, Any]:
        """Build, sign and send the command of a use case, by its GBCS name; returns it.

        ``target`` is one device, left out: esme.

        ``delivery`` (WAN, LOCAL: only a copy for the terminal, or BOTH) and ``party`` (who sends it) are the keyword's
        own; everything else that is named goes to the use case, called as its fields are, ``device`` and ``target``
        too.  Where a use case wants the EUI-64 of a device, the name that it has on this bench does.  Use cases of the
        hub (CCS01 to CCS07) are built by the access control broker on behalf of the party.

        Returned: ``use_case``, ``device`` (the target), ``party``, ``counter``, ``octets`` and ``since`` (the last
        event before it).

        Examples:
        | ${command}=    Send Command    ECS43    esme |
        | ${command}=    Send Command    CCS02    hub    device=ihd |
        """
        now = session()
        now.begin_action(use_case.upper())
        command = self.request(use_case, *target, delivery=delivery, party=party, **args)
        now.asked = replace(asked_of(command), out=delivery is not Delivery.LOCAL)
        return command

    def request(
        self,
        use_case: str,
        /,
        *target: str,
        delivery: Delivery = Delivery.WAN,
        party: str = "supplier",
        **args: object,
    ) -> dict[str, Any]:
        """As the keyword, for commands that only look: waits go on counting from what the test did last."""
        now = session()
        if len(target) > 1:
            raise Misused(f"{use_case} goes to one device, got {', '.join(target)}; name its arguments: NAME=VALUE")
        device, since = (*target, "esme")[0], now.mark
        use_case = use_case.upper() if use_case.islower() else use_case
        if use_case == "ECS70" and not args:
            args = _clock_window()
        values = {name: _eui_of(name, value) for name, value in args.items()}
        asking: dict[str, Any] = {"use_case": use_case, "device": now.eui(device), "delivery": delivery.value}
        builder = party
        if use_case.startswith(OF_BROKER):
            builder = now.of_kind("access_control_broker")
            if use_case == "CCS01":
                values = {**_joiner(str(args.get("device", "esme"))), **values}
            counter = now.ask(party, "take_counter")["counter"]
            asking |= {"on_behalf": now.eui(party), "counter": counter}
        told = now.ask(builder, "command", args=values, **asking)
        logger.info(f"{use_case} to {device} by {delivery.value}, originator counter {told['counter']}")
        if "warning" in told:
            logger.warn(f"{use_case} to {device}: {told['warning']}")
        command = {
            "use_case": use_case, "device": device, "party": party, "since": since, "sent": since, "builder": builder,
            **told,
        }  # fmt: skip
        if use_case == "CCS01" and values["device"] in (one["eui"] for one in now.devices.values()):
            admitted = str(values["device"])
            now.admitted[admitted] = replace(asked_of(command), admits=now.device_with(admitted))
        return command

    @keyword
    def admit_to_hub(
        self,
        device: str = "esme",
        *,
        hub: str | None = None,
        delivery: Delivery = Delivery.WAN,
        party: str = "supplier",
    ) -> dict[str, Any]:
        """Have a device added to the device log of its hub on behalf of the supplier (CCS01, SR 8.11)."""
        now = session()
        target = hub or now.hub_of(device)
        return self.request("CCS01", target, delivery=delivery, party=party, device=device)

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
        octets = command.get("final") or _final_of(command)
        command["sent"] = now.mark
        command.pop("spoilt", None)
        now.asked = asked_of(command)
        now.call("wan.send", device=command["device"], octets=octets)

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
        now = session()
        now.begin_action()
        spoilt = now.call("message.spoil", octets=copy["octets"], spoil=spoil)["octets"]
        originator, recipient, counter = ids_of(spoilt)
        now.asked = Asked(originator, recipient, counter, now.mark, _originator(command))
        now.call("wan.send", device=device, octets=spoilt)
        return {**command, "final": copy["octets"], "spoilt": now.asked}

    @keyword
    @judged("response-arrives")
    def response_should_arrive(self, command: dict[str, Any], *, within: timedelta | None = None) -> dict[str, Any]:
        """The verified response to ``command`` must reach who sent it by the WAN; returns what it says.

        It is known by the three ids of the command: originator, recipient and counter.  ``within``: left out, as long
        as the device may take by the bench file, and as long again.  Returned: ``success`` (as the use case sees it),
        ``results`` (codes), ``values`` (of what was read), ``verified``.
        """
        now = session()
        allowed = now.takes(command["device"], "wake", "answer")
        found = now.expect(_response_to(command), allowed, command["sent"], within=within, asked=asked_of(command))
        if not found.fields.get("verified"):
            raise now.unmet(f"a response to {_called(command)} with valid protection", now.words(found))
        values = [axdr.decode(bytes.fromhex(datum), 0)[0].value for datum in found.fields["data"]]
        return {**found.fields, "values": values}

    @keyword
    @judged("command-succeeds")
    def command_should_succeed(self, command: dict[str, Any], *, within: timedelta | None = None) -> dict[str, Any]:
        """As `Response Should Arrive`, and the response must be a success, as its use case knows one.

        That is every result 0 where there are results, and otherwise the data, list or certificate that was asked for.
        """
        answer = self.response_should_arrive(command, within=within)
        if not answer.get("success"):
            results = answer.get("results") or "an answer that is no success of this use case"
            raise session().unmet(f"{_called(command)} carried out", {"results": results})
        return answer

    @keyword
    @judged("no-response")
    def no_response_should_arrive(self, command: dict[str, Any], *, within: timedelta | None = None) -> None:
        """For so long no response to ``command`` may reach who sent it; left out: as long as the device may take.

        It says something only where a response could have come: the command crossed to the device, the device has its
        supply, and its way back carries something, in this test or in answer to a read made at once.
        """
        now = session()
        span = now.takes(command["device"], "wake", "answer").declared if within is None else within
        begun, wanted = now.now, _response_to(command)
        event = now.wait(wanted, span, command["sent"])
        over = now.now
        if event is None:
            silent = now.unmet(f"no response to {_called(command)} while one could come", "none")
            crossing_shown(now, command["device"], _as_sent(command), silent)
            heard_of(now, command["device"], wanted.device, silent)
            if within is None:  # a read that was made at once gave it more time
                event, over = now.find(wanted, command["sent"]), now.now
        if event is not None:
            results = event.fields.get("results")
            raise now.unmet(
                f"no response to {_called(command)}", f"one at {event.at_ns / 1e9:.6f} s with results {results}"
            )
        now.tell_nothing_came(f"response to {_called(command)}", begun, f"messages at {wanted.device}", over)

    @keyword
    @judged("one-response")
    def one_response_should_have_arrived(self, command: dict[str, Any]) -> None:
        """The supplier must have heard of this command once: by WAN or from a terminal, and not again."""
        wanted = _response_to(command)
        heard = [event for event in session().events if event.order > command["since"] and wanted.fits(event)]
        if len(heard) != 1:
            times = ", ".join(f"{event.at_ns / 1e9:.6f} s" for event in heard)
            failure = session().unmet(
                f"one response to {_called(command)}", f"{len(heard)}" + (f", at {times}" if times else "")
            )
            if not heard:
                blame(session(), command["device"], asked_of(command), failure)
            raise failure

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
                name, target or (hub if name.startswith(OF_BROKER) else device), delivery=Delivery.LOCAL, party=party
            )
            order.append(self._local_copy(command))
        return order

    def _local_copy(self, command: dict[str, Any]) -> dict[str, Any]:
        now = session()
        wanted = Matcher(
            LocalCopyReceived,
            command["party"],
            {"counter": command["counter"], "for": now.eui(command["device"])},
            f"a local copy of {_called(command)}",
        )
        now.expect(wanted, now.takes(now.of_kind("access_control_broker"), "answer"), command["since"])
        orders = now.ask(command["party"], "work_order", device=now.eui(command["device"]))["commands"]
        octets = copy_with(_ids_of(command), orders)
        if octets is None:
            raise SkipExecution(
                f"INFRA: {command['party']}, which is part of the bench, has no local copy of {_called(command)} for "
                f"{command['device']} in its work order, although one came to it"
            )
        return {**command, "name": command["use_case"], "octets": octets, "target": now.eui(command["device"])}

    @keyword
    def upload_responses(self, responses: list[str], *, party: str = "supplier") -> list[dict[str, Any]]:
        """Hand the supplier what a terminal brought back (SR 8.13); returns what it made of each message.

        Each of them: ``from`` (device), ``counter``, ``verified``, ``matched`` (to a command it sent), ``success``,
        ``results`` and ``alert``.
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
        now = session()
        sent = [
            event.fields
            for event in now.events
            if event.kind == MessageSent.kind and event.fields.get("use_case") == command.upper()
        ]
        commands = {(fields["counter"], fields["originator"]) for fields in sent if fields.get("cra") == "command"}
        mine = [one for one in told if one["from"] == device and one["cra"] == RESPONSE]
        fit = [one for one in mine if (one["counter"], now.printed(one["recipient"])) in commands]
        if not any(one["verified"] and one.get("success") for one in fit):
            seen = [{"verified": one["verified"], "results": one["results"]} for one in fit]
            failure = now.unmet(f"a verified success of {command} from {device}", seen)
            if not fit:
                blame(now, device, _carried_to(device, sent), failure)
            raise failure


def _carried_to(device: str, sent: Sequence[Mapping[str, Any]]) -> Asked:
    """The last of these commands that was for a device, as a terminal carries it."""
    now = session()
    mine = [fields for fields in sent if now.device_with(str(fields["recipient"])) == device]
    if not mine:
        raise Misused(f"no such command for {device} was sent in this test")
    originator, recipient = (str(mine[-1][end]).replace("-", "").lower() for end in ("originator", "recipient"))
    return Asked(originator, recipient, int(mine[-1]["counter"]), 0, now.of_kind("hht"))


def asked_of(command: Mapping[str, Any]) -> Asked:
    """The three ids of a command, for following it from tap to tap."""
    now = session()
    return Asked(now.eui(_originator(command)), now.eui(command["device"]), command["counter"], command["sent"],
                 _originator(command))  # fmt: skip


def _as_sent(command: Mapping[str, Any]) -> Asked:
    """As :func:`asked_of`; of a command that was spoilt, the ids that it went out with."""
    spoilt = command.get("spoilt")
    return spoilt if isinstance(spoilt, Asked) else asked_of(command)


def _originator(command: Mapping[str, Any]) -> str:
    """Who is the originator of a command, and so hears its response first and can verify it."""
    return str(command.get("builder") or command["party"])


def _response_to(command: Mapping[str, Any]) -> Matcher:
    now, party = session(), _originator(command)
    ids = {"from": now.eui(command["device"]), "recipient": now.eui(party), "counter": command["counter"]}
    return Matcher(PartyReceived, party, {**ids, "cra": RESPONSE}, f"a response to {_called(command)} at {party}")


def _called(command: Mapping[str, Any]) -> str:
    return f"{command['use_case']} #{command['counter']}"


def _ids_of(command: Mapping[str, Any]) -> tuple[str, str, int]:
    now = session()
    return now.eui(_originator(command)), now.eui(command["device"]), command["counter"]


def _final_of(command: Mapping[str, Any]) -> str:
    """The octets of a command as the broker put them on the WAN, or handed them out."""
    asked, broker = asked_of(command), session().of_kind("access_control_broker")

    def final(event: Event) -> bool:
        return event.kind == MessageSent.kind and event.fields["device"] == broker and asked.carries(event)

    sent = [event for event in session().events if final(event)]
    if not sent:
        raise Misused(f"{_called(command)} was never sent by the broker")
    return str(sent[-1].fields["octets"])


def _joiner(device: str) -> dict[str, Any]:
    """What the bench file says of a device that is to join."""
    told = session().devices.get(device)
    if told is None:
        return {}
    return {
        "install_code": told["install_code"],
        "device_type": str(told["kind"]).upper(),
        "join_time": JOIN_TIME_S,
        "device": told["eui"],
    }


def _eui_of(name: str, value: object) -> object:
    """The EUI-64 of a device of this bench that an argument called ``device`` names."""
    told = session().devices.get(value) if name == "device" and isinstance(value, str) else None
    return value if told is None else told["eui"]


def _clock_window() -> dict[str, object]:
    """A window of a minute on either side of the bench's civil time, as the clock command wants it."""
    civil = session().call("clock.civil")["civil_ns"] // 1_000_000_000
    return {
        name: f"{datetime.fromtimestamp(civil + offset, UTC):%Y-%m-%dT%H:%M:%SZ}"
        for name, offset in (("start", -60), ("end", 60))
    }
