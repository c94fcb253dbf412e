"""What goes wrong on purpose: verbs by which links break, radios fall out of reach, and messages are forged.

An attacker has no more than a real one would: octets that crossed before, a radio, and keys of parties that are his
own.  Only what must be right for a test to mean something (the MAC of a wrongly signed command) is made with the
bench's.

Must not live here: verbs that every test needs (``commands``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from devices.events.bench import LinkSwitched
from devices.machines.core import Send
from devices.trust import protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key, signing_key
from devices.wire import gbcs
from devices.wire.errors import WireError
from rig.host.host import IN_ITS_PLACE
from rig.node.arguments import Arguments
from rig.node.assembly import Premises
from rig.node.bench_file import Device
from rig.node.executor import Refused
from rig.node.keyring import Keyring
from rig.node.virtual_world import VirtualWorld
from rig.ports.protocols import PortLost, PortMissing

__all__ = ["Attacks"]

SPOILS = {name: name for name in ("payload", "signature", "mac", "recipient")}


class Attacks:
    """The verbs over one bench; ``up`` gives its premises, or refuses when they are not up."""

    def __init__(self, up: Callable[[], Premises]) -> None:
        self.up = up

    def verbs(self) -> dict[str, Callable[[Arguments], Mapping[str, Any]]]:
        """Verb to function."""
        return {
            "air.reach": self.set_reach,
            "air.cut_after": self.cut_after,
            "interpan.send": self.send_by_interpan,
            "wan.send": self.send_by_wan,
            "message.spoil": self.spoil,
        }

    def send_by_interpan(self, args: Arguments) -> Mapping[str, Any]:
        """Send one ZCL frame of any cluster from a device's inter-PAN radio to a hub."""
        premises = self.up()
        radios = {
            name: host for name, host in premises.hosts.items() if "interpan" in premises.bench.devices[name].ports
        }
        host = args.among("device", radios)
        hub = args.among("hub", premises.bench.devices)
        host.send(Send("interpan", hub.eui, args.octets("octets"), args.whole("cluster", 0xFFFF), IN_ITS_PLACE))
        return {}

    def send_by_wan(self, args: Arguments) -> Mapping[str, Any]:
        """Put octets on the WAN towards a device, as a head end (or somebody on the line) would."""
        premises = self.up()
        broker, device, octets = self._broker(), args.among("device", premises.bench.devices), args.octets("octets")
        try:
            premises.hosts[broker.name].send(Send("wan", device.eui, octets))
        except (PortLost, PortMissing) as problem:
            raise Refused("down", problem.problem, problem.advice) from None
        return {}

    def set_reach(self, args: Arguments) -> Mapping[str, Any]:
        self._world()
        in_reach = args.flag("in_reach")
        self._carry(self._carried(args), in_reach=in_reach)
        return {}

    def cut_after(self, args: Arguments) -> Mapping[str, Any]:
        """Let a device's radios fall out of reach after so many more of its frames."""
        world, device = self._world(), self._carried(args)
        names, left = self._radios(device), [args.whole("frames")]

        def count(_at: int, _channel: int, octets: bytes, _rssi: int, sender: str) -> None:
            if sender in names and len(octets) > 20:  # acknowledgements and beacon requests don't count
                left[0] -= 1
                if left[0] == 0:
                    self.up().clock.call_soon(out_of_reach)

        def out_of_reach() -> None:
            stop()
            self._carry(device, in_reach=False)

        stop = world.ether.tap(count)
        return {}

    def spoil(self, args: Arguments) -> Mapping[str, Any]:
        """A command as an attacker would make it from a good one: one thing about it is wrong, the rest is right.

        ``spoil``: ``payload``, ``signature``, ``mac`` or ``recipient``.  Protection that the attacker cannot make stays
        as it was; what shall be right (the MAC of a wrongly signed command) is made again with the bench's own keys.
        """
        spoil = args.among("spoil", SPOILS)
        try:
            message = gbcs.decode(args.octets("octets"))
            return {"octets": gbcs.encode(self._spoilt(message, spoil)).hex()}
        except (WireError, TrustError) as problem:
            raise Refused("argument", f"cannot spoil the {spoil} of this message: {problem}", "Give another.") from None

    def _spoilt(self, message: gbcs.Message, spoil: str) -> gbcs.Message:
        if spoil == "payload" and message.payload:
            # The value of the last element: another script of the same table, say.
            return dataclasses.replace(message, payload=message.payload[:-1] + bytes([message.payload[-1] ^ 1]))
        if spoil == "mac" and message.mac is not None:
            return dataclasses.replace(message, mac=bytes([message.mac[0] ^ 1]) + message.mac[1:])
        keyring, broker = Keyring(self.up().bench), self._broker()
        if spoil == "signature" and message.signature:
            other = self._other("supplier", message.originator)
            message = protection.sign(message, keyring.store(other.eui), signing_key(other.eui))
        elif spoil == "recipient":
            message = dataclasses.replace(message, recipient=self._other("ihd", message.recipient).eui)
            message = protection.sign(
                message, self._store(keyring, message.originator), signing_key(message.originator)
            )
        else:
            raise Refused("argument", f"this message has no {spoil} to be spoilt", "Give a final, signed command.")
        public = self._store(keyring, message.recipient).public(agreement_key(message.recipient))
        return protection.add_mac(message, keyring.store(broker.eui).agree(agreement_key(broker.eui), public))

    def _store(self, keyring: Keyring, eui: bytes) -> KeyStore:
        """The keys of a device of this bench."""
        if all(device.eui != eui for device in self.up().bench.devices.values()):
            raise Refused(
                "unknown", f"nobody on this bench is {eui.hex('-').upper()}", "Spoil a message of this bench."
            )
        return keyring.store(eui)

    def _other(self, kind: str, than: bytes) -> Device:
        for device in self.up().bench.devices.values():
            if device.kind == kind and device.eui != than:
                return device
        raise Refused("capability", f"this bench has no other device of kind {kind}", "Add one to the bench file.")

    def _broker(self) -> Device:
        bench = self.up().bench
        name = bench.parties.get("access_control_broker")
        if name is None:
            raise Refused("capability", "this bench has no access control broker", "Name one in its file.")
        return bench.devices[name]

    def _carried(self, args: Arguments) -> Device:
        return args.among("device", self.up().bench.devices)

    def _carry(self, device: Device, *, in_reach: bool) -> None:
        """Carry a device's radios out of everybody's reach, or back."""
        ether = self._world().ether
        moved = [ether.set_radio(name, out_of_range=not in_reach) for name in self._radios(device)]
        if any(moved):
            self.up().recorder.record(device.node, device.name, LinkSwitched(link="air", up=in_reach))

    def _radios(self, device: Device) -> list[str]:
        """The virtual radios of a device, by their names in the ether."""
        return [name for name, _module in self.up().radios.modules.get(device.name, [])]

    def _world(self) -> VirtualWorld:
        world = self.up().world
        if world is None:
            raise Refused("capability", "this bench is not virtual", "Use a virtual bench for this.")
        return world
