"""The work order of a hand-held terminal: ready-made commands, what became of each, and how they are read in.

Must not live here: when and where they are applied (``machines.hht``).

Source: facts/gbcs.md 5.7 (local delivery) [2 sources]; the form of a work order is [our choice].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from devices.machines.core import MachineError, eui_text
from devices.wire import eui64, gbcs
from devices.wire.gbcs import CRA, Message

__all__ = ["Job", "State", "read_job"]


class State(Enum):
    """What became of one command of a work order."""

    LOADED = "loaded"
    SENT = "sent"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"  # sent whole, no response in time: refused by the device, or its response was lost
    INTERRUPTED = "interrupted"  # the connection broke before it was known to be through
    EXPIRED = "expired"


@dataclass(slots=True)
class Job:
    """One command of a work order.  ``hub`` is the hub it is meant for, None for any."""

    name: str
    message: Message
    octets: bytes = field(repr=False)
    hub: bytes | None = None
    expires_at: int | None = None
    state: State = State.LOADED
    response: bytes = b""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "device": self.message.recipient.hex(),
            "octets": self.octets.hex(),
            "hub": self.hub.hex() if self.hub else None,
            "expires_at": self.expires_at,
            "state": self.state.value,
            "response": self.response.hex(),
        }

    @classmethod
    def of_json(cls, saved: Mapping[str, Any]) -> Job:
        octets = bytes.fromhex(saved["octets"])
        hub = bytes.fromhex(saved["hub"]) if saved["hub"] else None
        state, response = State(saved["state"]), bytes.fromhex(saved["response"])
        return cls(saved["name"], gbcs.decode(octets), octets, hub, saved["expires_at"], state, response)

    def expire(self, now: int) -> None:
        """Note that the command is too old, where it has not been sent."""
        if self.expires_at is not None and now >= self.expires_at and self.state in (State.LOADED, State.INTERRUPTED):
            self.state = State.EXPIRED

    def answered_by(self, response: Message) -> bool:
        """Whether a message is the response to this command: counter repeated, titles swapped (facts/gbcs.md 1.1)."""
        command = self.message
        return (response.cra, response.originator, response.recipient, response.counter, response.message_code) == (
            CRA.RESPONSE,
            command.recipient,
            command.originator,
            command.counter,
            command.message_code,
        )


def read_job(entry: Any, hub: bytes | None, expires_at: int | None) -> Job:
    """One entry ``{name, device, octets, expires_at?}`` of a work order, for ``hub`` (None: any).

    Raises ``MachineError`` or ``WireError`` with what is wrong and what to do.
    """
    if not isinstance(entry, Mapping) or not {"name", "device", "octets"} <= set(entry):
        raise MachineError("work order: each command needs name, device and octets; ask the supplier for a new one")
    name, device = str(entry["name"]), eui64.parse(str(entry["device"]))
    try:
        octets = bytes.fromhex(str(entry["octets"]))
    except ValueError:
        raise MachineError(f"work order, {name}: octets must be hexadecimal digits; ask the supplier for a new one")
    message = gbcs.decode(octets)
    if message.cra != CRA.COMMAND or not (message.mac or message.signature):
        raise MachineError(f"work order, {name}: expected a final command, signed or with a MAC; send it to the broker")
    if message.recipient != device:
        expected, got = eui_text(device), eui_text(message.recipient)
        raise MachineError(
            f"work order, {name}: expected a command for {expected}, got one for {got}; load the right one"
        )
    expires = entry.get("expires_at", expires_at)
    if expires is not None and (isinstance(expires, bool) or not isinstance(expires, int)):
        raise MachineError(
            f"work order, {name}: expires_at must be ns of the bench clock, got {expires!r}; leave it out"
        )
    return Job(name, message, octets, hub, expires)
