"""What goes wrong on purpose: verbs by which links break, radios fall out of reach, and messages are forged.

An attacker has no more than a real one would: octets that crossed before, a radio, and keys of parties that are his own.
Only what must be right for a test to mean something (the MAC of a wrongly signed command, say) is made with the bench's.

Must not live here: verbs that every test needs (``commands``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from devices.trust import protection
from devices.trust.keystore import agreement_key
from devices.wire import gbcs
from rig.node.assembly import Premises
from rig.node.executor import Refused
from rig.node.keyring import Keyring

__all__ = ["Attacks"]

Args = dict[str, Any]


class Attacks:
    """The verbs over one bench; ``up`` gives its premises, or refuses when they are not up."""

    def __init__(self, up: Callable[[], Premises]) -> None:
        self.up = up

    def verbs(self) -> dict[str, Callable[[Args], Mapping[str, Any]]]:
        """Verb to function."""
        return {
            "air.reach": self.set_reach,
            "air.cut_after": self.cut_after,
            "interpan.send": self.send_by_interpan,
            "wan.send": self.send_by_wan,
            "message.spoil": self.spoil,
        }

    def send_by_interpan(self, args: Args) -> Mapping[str, Any]:
        """Send one ZCL frame of any cluster from a device's inter-PAN radio to a hub."""
        premises = self.up()
        adapter = premises.hosts[args["device"]].interpan("interpan")
        adapter.send(premises.bench.devices[args["hub"]].eui, int(args["cluster"]), bytes.fromhex(args["octets"]))
        return {}

    def send_by_wan(self, args: Args) -> Mapping[str, Any]:
        """Put octets on the WAN towards a device, as a head end (or somebody on the line) would."""
        broker = self.up().bench.devices[self.up().bench.parties["access_control_broker"]]
        link = self.up().hosts[broker.name].message_link("wan")
        device = self.up().bench.devices[args["device"]]
        octets = bytes.fromhex(args["octets"])
        self.up().recorder.record(
            broker.node, broker.name, "gbcs.tx", {"port": "wan", "peer": device.eui.hex(), "octets": octets.hex()}
        )
        link.send(device.eui, octets)
        return {}

    def set_reach(self, args: Args) -> Mapping[str, Any]:
        world = self._world()
        for name, _module in self.up().radios.modules.get(args["device"], []):
            world.ether.set_radio(name, out_of_range=not args["in_reach"])
        return {}

    def cut_after(self, args: Args) -> Mapping[str, Any]:
        """Let a device's radios fall out of reach after so many more of its frames."""
        world = self._world()
        names = {name for name, _module in self.up().radios.modules.get(args["device"], [])}
        left = [int(args["frames"])]

        def count(_at: int, _channel: int, octets: bytes, _rssi: int, sender: str) -> None:
            if sender in names and len(octets) > 20:  # acknowledgements and beacon requests don't count
                left[0] -= 1
                if left[0] == 0:
                    self.up().clock.call_soon(out_of_reach)

        def out_of_reach() -> None:
            stop()
            for name in names:
                world.ether.set_radio(name, out_of_range=True)

        stop = world.ether.tap(count)
        return {}

    def spoil(self, args: Args) -> Mapping[str, Any]:
        """A command as an attacker would make it from a good one: one thing about it is wrong, the rest is right.

        ``spoil``: ``payload``, ``signature``, ``mac`` or ``recipient``.  Protection that the attacker cannot make stays
        as it was; what shall be right (the MAC of a wrongly signed command) is made again with the bench's own keys.
        """
        message = gbcs.decode(bytes.fromhex(args["octets"]))
        keyring = Keyring(self.up().bench)
        spoil = args["spoil"]
        if spoil == "payload":
            # The value of the last element: another script of the same table, say.
            message = dataclasses.replace(message, payload=message.payload[:-1] + bytes([message.payload[-1] ^ 1]))
            return {"octets": gbcs.encode(message).hex()}
        if spoil == "mac" and message.mac is not None:
            message = dataclasses.replace(message, mac=bytes([message.mac[0] ^ 1]) + message.mac[1:])
            return {"octets": gbcs.encode(message).hex()}
        broker = self.up().bench.devices[self.up().bench.parties["access_control_broker"]]
        if spoil == "signature" and message.signature:
            other = next(d for d in self.up().bench.devices.values() if d.kind == "supplier" and d.eui != message.originator)
            message = protection.sign(message, keyring.store(other.eui), f"{other.eui.hex()}-ds")
        elif spoil == "recipient":
            other = next(d for d in self.up().bench.devices.values() if d.kind == "ihd")
            message = dataclasses.replace(message, recipient=other.eui)
            message = protection.sign(message, keyring.store(message.originator), f"{message.originator.hex()}-ds")
        else:
            raise Refused(
                "argument", f"cannot spoil {spoil!r} of this message", "payload, signature, mac or recipient."
            )
        public = keyring.directory[agreement_key(message.recipient)]
        z = keyring.store(broker.eui).agree(agreement_key(broker.eui), public)
        return {"octets": gbcs.encode(protection.add_mac(message, z)).hex()}

    def _world(self) -> Any:
        world = self.up().world
        if world is None:
            raise Refused("capability", "this bench is not virtual", "Use a virtual bench for this.")
        return world
