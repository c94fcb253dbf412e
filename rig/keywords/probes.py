"""Probes: a read that a device answers if it can be heard at all, made at once, by the WAN or by a terminal.

Must not live here: what an answer, or none, means (``silence``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from robot.api import logger

from devices.events.messages import MessageReceived
from devices.events.parties import LocalCopyReceived
from devices.wire import eui64
from rig.keywords.connection import Misused
from rig.keywords.copies import copy_with
from rig.keywords.matching import Matcher

if TYPE_CHECKING:
    from rig.keywords.session import Session

__all__ = ["probe", "probe_by_terminal"]

READS = {"esme": "ECS45", "gsme": "GCS33", "gpf": "GCS33", "comms_hub": "CCS05"}
"""A read that every device of a kind answers."""
NAME = "probe of the bench"
"""How the read is called in the work order of a terminal."""


def probe(now: Session, device: str) -> bool:
    """Read something of a device by the WAN, and wait as long as its answer may take.  False where there is no read for
    its kind."""
    use_case = _read_of(now, device)
    if not use_case:
        return False
    broker = now.of_kind("access_control_broker")
    sender = broker if now.kind_of(device) == "comms_hub" else now.of_kind("supplier")
    since = now.mark
    now.ask(sender, "command", use_case=use_case, device=now.eui(device), args={}, delivery="wan")
    _wait_for_answer(now, device, broker, since)
    return True


def probe_by_terminal(now: Session, device: str, terminal: str) -> bool:
    """As :func:`probe`, by a terminal that is connected to the hub of a device behind it.  False, too, where the
    supplier has no copy of the read for it, and where the terminal takes no command now: it has no connection, or one
    is under way."""
    use_case, eui = _read_of(now, device), now.eui(device)
    if not use_case or now.kind_of(device) == "comms_hub":
        return False
    supplier, since = now.of_kind("supplier"), now.mark
    told = now.ask(supplier, "command", use_case=use_case, device=eui, args={}, delivery="local")
    copy = Matcher(LocalCopyReceived, supplier, {"counter": told["counter"], "for": eui})
    if now.wait(copy, now.takes(now.of_kind("access_control_broker"), "answer").patience, since) is None:
        return False
    ids = now.eui(supplier), eui, int(told["counter"])
    octets = copy_with(ids, now.ask(supplier, "work_order", device=eui)["commands"])
    if octets is None:
        logger.info(f"{supplier} has no local copy of the read #{told['counter']} for {device} in its work order.")
        return False
    since = now.mark
    try:
        now.ask(terminal, "load", work_order=[{"name": NAME, "device": eui, "octets": octets}])
        now.ask(terminal, "apply", name=NAME)
    except Misused as refusal:
        logger.info(f"{terminal} carries no read to {device}: {refusal}")
        return False
    _wait_for_answer(now, device, terminal, since)
    return True


def _read_of(now: Session, device: str) -> str:
    use_case = READS.get(now.kind_of(device), "")
    if use_case:
        logger.info(f"Whether anything comes back from {device} is tried with a read ({use_case}).")
    return use_case


def _wait_for_answer(now: Session, device: str, listener: str, since: int) -> None:
    """Until something of the device comes to the tap of ``listener``, or as long as its answer may take."""
    heard = Matcher(MessageReceived, listener, {"originator": eui64.text(bytes.fromhex(now.eui(device)))})
    now.wait(heard, now.takes(device, "wake", "answer").patience, since)
