"""An in-home display (IHD), as far as a house needs one to look at: it joins the HAN and shows what it is told.

It shows the time that the hub reports, the supply status that the meter reports, and messages of the supplier; as
long as it was told nothing it says so.  It commands nothing and opens no tunnel.

Must not live here: prices and consumption (no rule for them is known to this project), prepayment (a PPMID's business).

Source: ZigBee Smart Energy clusters; facts/gbcs.md 8.4 (clusters, 0x0703 messaging), 10.2 (supply status enumeration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from devices.events.terminals import DisplayUnreadable
from devices.machines.core import (
    Answer,
    Asked,
    Effect,
    Event,
    JoinNetwork,
    NetworkDown,
    NetworkUp,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    SetTimer,
    Show,
    Started,
    StopTimer,
    TimerFired,
)
from devices.machines.parts import time_cluster
from devices.machines.parts.civil_clock import CivilTime, from_zcl
from devices.wire import zcl
from devices.wire.errors import WireError

__all__ = ["IhdSettings", "InHomeDisplay"]

SECOND: Final = 1_000_000_000
METERING: Final = 0x0702
MESSAGING: Final = 0x0703
_REPORT_ATTRIBUTES: Final = 0x0A
_DISPLAY_MESSAGE: Final = 0x00
_CANCEL_MESSAGE: Final = 0x01
_ENUM8: Final = 0x30
_MESSAGE_HEADER: Final = 11  # message id 4, control 1, start 4, duration 2; then the text with its length
_SUPPLY: Final[Mapping[int, str]] = {0: "SUPPLY OFF", 1: "SUPPLY OFF / ARMED", 2: "SUPPLY ON"}


@dataclass(frozen=True, slots=True)
class IhdSettings:
    """Who it is to the network, and what is recalled of the clusters."""

    install_code: bytes | None = None  # 16 octets; None: it does not try to join
    epid: bytes | None = None  # the hub to join; None: any that lets it in
    join_retry_ns: int = 30 * SECOND  # [our choice]
    supply_attribute: int = 0x0014  # SupplyStatus of the metering cluster [recalled: make it a setting]
    refresh_ns: int = 60 * SECOND  # the time on the display is brought up to date this often [our choice]


class InHomeDisplay:
    """One in-home display."""

    def __init__(self, settings: IhdSettings | None = None) -> None:
        self.settings = settings or IhdSettings()
        self._epid = self.settings.epid
        self._forget()

    def _forget(self) -> None:
        self._network = False
        self._time: tuple[int, int] | None = None  # civil ns, and the bench time at which it held
        self._supply: int | None = None
        self._message: str | None = None

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """See :class:`devices.machines.core.Machine`."""
        match event:
            case Started(saved) | PowerRestored(saved):
                self._forget()
                self._epid = bytes.fromhex(saved["epid"]) if saved.get("epid") else self.settings.epid
                return [self._show(now), *self._join()]
            case PowerLost():
                self._forget()
                return []
            case NetworkUp(_, epid):
                self._network, self._epid = True, epid
                return [StopTimer("join"), Persist("epid", epid.hex()), self._show(now)]
            case NetworkDown():
                self._network = False
                retry: list[Effect] = [SetTimer("join", now + self.settings.join_retry_ns)] if self._join() else []
                return [*retry, self._show(now)]
            case TimerFired("join"):
                return [] if self._network else self._join()
            case TimerFired("refresh"):
                return [self._show(now), SetTimer("refresh", now + self.settings.refresh_ns)]
            case Received("han", peer, octets, cluster):
                return self._received(peer, octets, cluster, now)
            case Asked("state"):
                return [Answer({"network": self._network, "text": self._text(now), "supply": self._supply})]
            case Asked(verb):
                return [Refuse(f"an in-home display has no verb {verb!r}; try 'state'")]
            case _:
                return []

    def _join(self) -> list[Effect]:
        code = self.settings.install_code
        return [] if code is None else [JoinNetwork("han", code, self._epid)]

    def _received(self, peer: bytes, octets: bytes, cluster: int, now: int) -> list[Effect]:
        try:
            frame = zcl.decode(octets)
        except WireError as error:
            return [Record(DisplayUnreadable(peer=peer, octets=octets, reason=str(error)))]
        if not frame.to_client:
            return []
        if cluster == time_cluster.CLUSTER:
            seconds = time_cluster.time_in(octets)
            if seconds is None:
                return []
            self._time = (from_zcl(seconds), now)
            return [self._show(now), SetTimer("refresh", now + self.settings.refresh_ns)]
        if cluster == METERING and not frame.cluster_specific and frame.command == _REPORT_ATTRIBUTES:
            return self._metering(frame.payload, now)
        if cluster == MESSAGING and frame.cluster_specific:
            return self._messaging(frame, now)
        return []

    def _metering(self, payload: bytes, now: int) -> list[Effect]:
        """A report of the supply status and nothing else; other reports are not for this display."""
        wanted = self.settings.supply_attribute.to_bytes(2, "little") + bytes((_ENUM8,))
        if len(payload) != 4 or not payload.startswith(wanted) or payload[3] not in _SUPPLY:
            return []
        self._supply = payload[3]
        return [self._show(now)]

    def _messaging(self, frame: zcl.Frame, now: int) -> list[Effect]:
        if frame.command == _CANCEL_MESSAGE:
            self._message = None
            return [self._show(now)]
        text = frame.payload[_MESSAGE_HEADER:]
        if frame.command != _DISPLAY_MESSAGE or not text or len(text) < 1 + text[0]:
            return []
        self._message = text[1 : 1 + text[0]].decode("utf-8", "replace")
        return [self._show(now)]

    def _text(self, now: int) -> str:
        known = []
        if self._time is not None:
            known.append(CivilTime(self._time[0] + now - self._time[1]).text[11:16])
        if self._supply is not None:
            known.append(_SUPPLY[self._supply])
        if self._message is not None:
            known.append(self._message)
        if known:
            return " | ".join(known)
        return "NO DATA" if self._network else "NO DATA - NOT CONNECTED"

    def _show(self, now: int) -> Show:
        return Show(self._text(now))
