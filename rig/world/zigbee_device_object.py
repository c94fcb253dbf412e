"""The Zigbee device object (ZDO) of a virtual XBee: what the module answers by itself, and what its host is told.

Who answers is up to AO.  With bit 1 the host gets the requests that the module could answer, and the module is silent;
with bit 2 those that it could not, with bit 3 those of bindings; bit 4 echoes what the module answered; bit 5 keeps all
of it from the host.  Announcements and responses come to the host with any AO but 0.

Must not live here: registers, API frames (``xbee_zigbee``), what goes over the air (``zigbee_aps``).

Source: facts/xbee-manual.md 1.7 (the maker's pages).  Of the requests that a module answers, those for node, power and
simple descriptors and for its tables are answered as not supported here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from devices.wire import zigbee
from rig.world.zigbee_types import WILDCARD

if TYPE_CHECKING:
    from rig.world.xbee_zigbee import XBeeZigbee

__all__ = ["DeviceObject"]

ADDRESS, IEEE_ADDRESS, ACTIVE_ENDPOINTS, ANNOUNCE = 0x0000, 0x0001, 0x0005, 0x0013
BIND, UNBIND, LEAVE, PERMIT = 0x0021, 0x0022, 0x0034, 0x0036
RESPONSE: Final = 0x8000
SUPPORTED: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 0x31, 0x32, 0x33, LEAVE, PERMIT, 0x38})
"""The requests that a module knows."""
NOT_SUPPORTED: Final = 0x84
OWN_ENDPOINTS: Final = bytes((0xE6, 0xE8))


class DeviceObject:
    """That of one module."""

    def __init__(self, module: XBeeZigbee) -> None:
        self._module = module
        self._answers: dict[int, Callable[[bytes, bytes], bytes | None]] = {
            ADDRESS: self._address,
            IEEE_ADDRESS: self._ieee_address,
            ACTIVE_ENDPOINTS: self._endpoints,
            LEAVE: self._leave,
            PERMIT: self._permit,
        }

    def take(self, source: bytes, frame: zigbee.ApsFrame) -> bool:
        """Do what the module does by itself; whether the host is told as well."""
        ao, cluster = self._module.register("AO"), frame.cluster
        told = ao != 0 and not ao & 0x20
        if cluster == ANNOUNCE:
            self._announced(frame.payload)
            return told
        if cluster & RESPONSE:
            self._answered(cluster, frame.payload)
            return told
        passes = 0x02 if cluster in SUPPORTED else 0x08 if cluster in (BIND, UNBIND) else 0x04
        if told and ao & passes:
            return True
        content = frame.payload
        answer = self._answers.get(cluster, _refuse)(source, content)
        if answer is not None:
            self._reply(source, cluster | RESPONSE, content[:1] + answer)
        return told and bool(ao & 0x10)

    def permit_everywhere(self, seconds: int) -> None:
        """Tell every router how long it may let devices in."""
        network = self._module.network
        content = bytes((network.next_counter(), seconds, 1))
        self._module.aps.broadcast(zigbee.ApsFrame(0, content, cluster=PERMIT))

    # ------------------------------------------------------------------------------------- what the module learns by it

    def _announced(self, content: bytes) -> None:
        """A device is in the network: its addresses are known, and its registration is used up."""
        if len(content) == 12:
            device = content[10:2:-1]
            self._module.network.learn(device, content[2:0:-1])
            self._module.network.trust.unregister(device)

    def _answered(self, cluster: int, content: bytes) -> None:
        if cluster == ADDRESS | RESPONSE and len(content) >= 12 and content[1] == 0:
            device = content[9:1:-1]
            self._module.network.learn(device, content[11:9:-1])
            self._module.aps.address_known(device)

    # ---------------------------------------------------------------------------------------------------------- answers
    # Each takes who asks and the request (sequence number first) and gives the rest of the answer; None: none.

    def _addresses(self) -> bytes:
        return b"\0" + self._module.eui[::-1] + self._module.network.mac.short[::-1]

    def _address(self, _: bytes, content: bytes) -> bytes | None:
        return self._addresses() if content[8:0:-1] == self._module.eui else None

    def _ieee_address(self, _: bytes, content: bytes) -> bytes | None:
        return self._addresses() if content[2:0:-1] == self._module.network.mac.short else None

    def _endpoints(self, _: bytes, content: bytes) -> bytes | None:
        short = self._module.network.mac.short
        if content[2:0:-1] != short:
            return None
        return b"\0" + short[::-1] + bytes((len(OWN_ENDPOINTS),)) + OWN_ENDPOINTS

    def _leave(self, _: bytes, content: bytes) -> bytes | None:
        if len(content) != 10:
            return None
        self._module.leave_soon()
        return b"\0"

    def _permit(self, source: bytes, content: bytes) -> bytes | None:
        if len(content) < 2 or source == self._module.network.mac.short:
            return None
        if self._module.network.member is not None and self._module.network.member.coordinator:
            self._module.network.trust.permit(content[1])
        return b"\0"

    def _reply(self, source: bytes, cluster: int, content: bytes) -> None:
        device = self._module.network.eui_of(source)
        if device != WILDCARD:
            self._module.aps.send(device, zigbee.ApsFrame(0, content, cluster=cluster), True, lambda *_: None)


def _refuse(_: bytes, __: bytes) -> bytes:
    return bytes((NOT_SUPPORTED,))
