"""A small bench in memory for machines: a heap of timed events, wires that deliver, and a listener on the air.

It grants effects as a host does and knows nothing of what the messages mean, except the listener, which counts whole
GBCS messages on the air with code of its own path (frames in, reassembled messages out).
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devices.machines.access_control_broker import AccessControlBroker, BrokerSettings
from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.core import (
    AdmitDevice,
    Answer,
    Asked,
    Beacon,
    CloseJoining,
    Drive,
    Effect,
    Event,
    ForgetDevice,
    FormNetwork,
    JoinNetwork,
    LastGasp,
    LeaveNetwork,
    LinkChanged,
    Machine,
    NetworkDown,
    NetworksFound,
    NetworkUp,
    OpenJoining,
    PeerJoined,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    ScanNetworks,
    Send,
    SendFailed,
    SetTimer,
    Show,
    Started,
    StopTimer,
    TimerFired,
    Tune,
)
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.hht import HandHeldTerminal, HhtSettings
from devices.machines.supplier import Supplier, SupplierSettings
from devices.model.credentials import CredentialCells, cells_from_publics
from devices.model.roles import Role
from devices.trust.keystore import MemoryKeyStore, generate, public_of
from devices.trust.ledger import MemoryLedger
from devices.wire import gbt, tunnelling, zcl
from rig.host.taps import Taps
from tests.machines.told import of_kind

MS = 1_000_000
SECOND = 1000 * MS
MINUTE = 60 * SECOND
AIR = 5 * MS
WIRE = 20 * MS

WITHIN = {"proxy": "line", "tap": "tap", "line": "proxy"}
"""The line between a hub and its gas proxy: a port here to the port there."""

Filter = Callable[["Station", Send], bool]
"""Says whether a frame on the air gets through."""


@dataclass
class Station:
    """One machine on the bench, with what its host would keep for it."""

    name: str
    machine: Machine
    eui: bytes
    powered: bool = False
    saved: dict[str, Any] = field(default_factory=dict)
    timers: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> due, generation
    records: list[tuple[int, Record]] = field(default_factory=list)
    display: str = ""
    pins: dict[str, bool] = field(default_factory=dict)
    lost_at: int = 0
    channel: int = 15
    tuned: tuple[int, int] | None = None  # channel and PAN id of its inter-PAN radio
    epid: bytes | None = None  # of the network that it coordinates
    admitted: dict[bytes, bytes] = field(default_factory=dict)
    members: set[bytes] = field(default_factory=set)
    joining_until: int = 0
    taps: Taps | None = None

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        """The fields of every record of that kind, oldest first; those of messages are from its taps."""
        return of_kind((record for _, record in self.records), kind)


@dataclass(frozen=True)
class _Gasp:
    """What a station sends from stored energy, unless its power comes back."""

    send: Send
    lost_at: int


class RefusedError(Exception):
    """A machine refused what it was asked."""


class Lab:
    """The bench.  ``hub_of`` says which hub serves a device on the WAN; ``heard`` is what the listener heard."""

    def __init__(self) -> None:
        self.now = 0
        self.stations: dict[str, Station] = {}
        self.hub_of: dict[bytes, str] = {}
        self.broker: str | None = None
        self.wan_cut = False
        self.passes: Filter = lambda _station, _send: True
        self.sent: list[tuple[int, str, Send]] = []
        self._heap: list[tuple[int, int, str, Event | _Gasp]] = []
        self._order = 0

    # ------------------------------------------------------------------------------------------------------ the bench

    def add(self, name: str, machine: Machine, eui: bytes) -> Station:
        """Put a machine on the bench, without power."""
        self.stations[name] = station = Station(name, machine, eui)
        station.taps = Taps(self, lambda event: station.records.append((self.now, Record(event))), lambda _frame: None)  # type: ignore[arg-type]
        return station

    def power_on(self, name: str) -> None:
        """Give it power, for the first time or again."""
        station = self.stations[name]
        station.powered = True
        first = not station.saved and not station.lost_at
        away = self.now - station.lost_at
        self.feed(name, Started({}) if first else PowerRestored(dict(station.saved), away))

    def power_off(self, name: str) -> None:
        """Take its power away."""
        station = self.stations[name]
        self.feed(name, PowerLost())
        station.powered, station.lost_at = False, self.now
        station.timers.clear()

    def ask(self, station: str, verb: str, /, **args: Any) -> dict[str, Any]:
        """Ask a machine; its answer, or :class:`RefusedError`."""
        replies = [e for e in self.feed(station, Asked(verb, args)) if isinstance(e, (Answer, Refuse))]
        assert len(replies) == 1, f"{station} must answer {verb} exactly once, did {replies}"
        if isinstance(replies[0], Refuse):
            raise RefusedError(replies[0].reason)
        return dict(replies[0].value)

    def cut_wan(self, cut: bool) -> None:
        """Take the WAN away from every hub, or give it back."""
        self.wan_cut = cut
        for name in set(self.hub_of.values()):
            self.feed(name, LinkChanged("wan", not cut))

    def run(self, duration: int = 30 * SECOND) -> None:
        """Let time pass, and with it everything that is due."""
        end = self.now + duration
        while self._heap and self._heap[0][0] <= end:
            self.now, _, name, event = heapq.heappop(self._heap)
            station = self.stations[name]
            if isinstance(event, _Gasp):
                if not station.powered and station.lost_at == event.lost_at:
                    self._send(station, event.send)
            elif self._is_due(name, event):
                self.feed(name, event)
        self.now = end

    def feed(self, name: str, event: Event) -> list[Effect]:
        """Give one event to a machine now, and grant what it wishes for."""
        station = self.stations[name]
        if not station.powered:
            return []
        if isinstance(event, Received):
            self._tap(station, event, out=False)
        effects = list(station.machine.handle(event, self.now))
        for effect in effects:
            self._grant(station, effect)
        return effects

    def _is_due(self, name: str, event: Event) -> bool:
        if not isinstance(event, TimerFired):
            return True
        due = self.stations[name].timers.get(event.name)
        if due is None or due[0] != self.now:
            return False
        del self.stations[name].timers[event.name]
        return True

    def later(self, after: int, name: str, event: Event) -> None:
        """Give an event to a machine after a while."""
        self._order += 1
        heapq.heappush(self._heap, (self.now + after, self._order, name, event))

    # --------------------------------------------------------------------------------------------------------- effects

    def _grant(self, station: Station, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(station, effect)
            case LastGasp(send, at):
                self._order += 1
                heapq.heappush(self._heap, (at, self._order, station.name, _Gasp(send, self.now)))
            case SetTimer(name, at):
                station.timers[name] = (at, self._order)
                self.later(max(0, at - self.now), station.name, TimerFired(name))
            case StopTimer(name):
                station.timers.pop(name, None)
            case Record():
                station.records.append((self.now, effect))
            case Show(text):
                station.display = text
            case Persist(key, value):
                station.saved[key] = value
            case Drive(pin, level):
                station.pins[pin] = level
            case Answer() | Refuse():
                pass
            case _:
                self._radio(station, effect)

    def _radio(self, station: Station, effect: Effect) -> None:
        match effect:
            case FormNetwork(port, epid):
                station.epid = epid
                self.later(SECOND, station.name, NetworkUp(port, epid, 0x1A62, station.channel))
            case AdmitDevice(_, peer, code):
                station.admitted[peer] = code
            case ForgetDevice(_, peer):
                station.admitted.pop(peer, None)
                station.members.discard(peer)
            case OpenJoining(_, seconds):
                station.joining_until = self.now + seconds * SECOND
            case CloseJoining():
                station.joining_until = 0
            case ScanNetworks(port):
                hubs = [s for s in self.stations.values() if s.powered and s.epid]
                beacons = tuple(
                    Beacon(s.epid or b"", 0x1A62, s.channel, s.joining_until > self.now, -40 - i)
                    for i, s in enumerate(hubs)
                )
                self.later(SECOND, station.name, NetworksFound(port, beacons))
            case JoinNetwork(port, code, epid):
                self._join(station, port, code, epid)
            case Tune(_, channel, pan):
                station.tuned = (channel, pan)
            case LeaveNetwork():
                for hub in self.stations.values():
                    hub.members.discard(station.eui)
            case _:
                raise AssertionError(f"the bench does not know {effect}")

    def _join(self, station: Station, port: str, code: bytes, epid: bytes | None) -> None:
        for hub in self.stations.values():
            open_now = hub.powered and hub.epid is not None and hub.joining_until > self.now
            if open_now and epid in (None, hub.epid) and hub.admitted.get(station.eui) == code:
                hub.members.add(station.eui)
                self.later(SECOND, station.name, NetworkUp(port, hub.epid or b"", 0x1A62, hub.channel))
                self.later(SECOND, hub.name, PeerJoined(port, station.eui))
                return
        self.later(SECOND, station.name, NetworkDown(port, "nobody lets us in"))

    @staticmethod
    def _tap(station: Station, crossed: Send | Received, *, out: bool) -> None:
        """As a host does: messages on message ports, frames on radio ports."""
        assert station.taps is not None
        if crossed.port in ("han", "interpan"):
            station.taps.frame(crossed.port, crossed.peer, crossed.cluster, crossed.octets, out=out)
        elif crossed.port != "tap":
            station.taps.message(crossed.port, crossed.peer, crossed.octets, out=out)

    def _send(self, station: Station, send: Send) -> None:
        self._tap(station, send, out=True)
        self.sent.append((self.now, station.name, send))
        if send.port in ("han", "interpan"):
            self._over_the_air(station, send)
        elif send.port == "wan":
            self._over_the_wan(station, send)
        elif send.port in WITHIN:
            for other in self.stations.values():
                if other.eui == send.peer:
                    arrived = Received(WITHIN[send.port], station.eui, send.octets, send.cluster)
                    self.later(MS, other.name, arrived)
        elif send.port.startswith("users."):
            way = send.port.removeprefix("users.")
            for other in self.stations.values():
                if other.eui == send.peer and other.name != self.broker:
                    self.later(WIRE, other.name, Received(f"acb.{way}", station.eui, send.octets))
        elif send.port.startswith("acb.") and self.broker:
            way = send.port.removeprefix("acb.")
            self.later(WIRE, self.broker, Received(f"users.{way}", station.eui, send.octets))

    def _over_the_air(self, station: Station, send: Send) -> None:
        there = [s for s in self.stations.values() if s.eui == send.peer and s.powered and s is not station]
        if there and self._in_range(station, there[0], send.port) and self.passes(station, send):
            self.later(AIR, there[0].name, Received(send.port, station.eui, send.octets, send.cluster))
        elif send.token:
            self.later(10 * AIR, station.name, SendFailed(send.port, send.peer, send.token, "no acknowledgement"))

    @staticmethod
    def _in_range(one: Station, other: Station, port: str) -> bool:
        return port == "interpan" or other.eui in one.members or one.eui in other.members

    def _over_the_wan(self, station: Station, send: Send) -> None:
        if self.wan_cut or self.broker is None:
            return
        if station.name == self.broker:
            hub = self.hub_of.get(send.peer)
            if hub is not None:
                self.later(WIRE, hub, Received("wan", station.eui, send.octets))
        else:
            self.later(WIRE, self.broker, Received("wan", station.eui, send.octets))

    # ---------------------------------------------------------------------------------------------------- the listener

    def heard(self, *ports: str) -> dict[tuple[str, str], int]:
        """Whole GBCS messages on the air by (sender, port), counted from the frames alone."""
        counts: dict[tuple[str, str], int] = defaultdict(int)
        parts: dict[tuple[str, bytes], gbt.Reassembler] = defaultdict(gbt.Reassembler)
        for _, name, send in self.sent:
            if send.port not in ports or send.cluster != tunnelling.CLUSTER:
                continue
            frame = zcl.decode(send.octets)
            command = tunnelling.decode(frame) if frame.manufacturer is None else None
            if not isinstance(command, tunnelling.TransferData):
                continue
            whole: bytes | None = command.octets
            if gbt.is_block(command.octets):
                whole = parts[name, send.peer].feed(command.octets)
            counts[name, send.port] += whole is not None
        return {key: count for key, count in counts.items() if count}

    def counted(self, *ports: str) -> dict[tuple[str, str], int]:
        """The taps' count of whole GBCS messages that machines sent, by (sender, port)."""
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for station in self.stations.values():
            for fields in station.kinds("gbcs.tx"):
                if fields["port"] in ports:
                    counts[station.name, fields["port"]] += 1
        return dict(counts)


# ------------------------------------------------------------------------------------------------------------- a house

ACB = bytes.fromhex("90b3d51f30000002")
SUPPLIER = bytes.fromhex("90b3d51f30010000")
OTHER_SUPPLIER = bytes.fromhex("90b3d51f30030000")
NETWORK_OPERATOR = bytes.fromhex("90b3d51f30020000")
HUB = bytes.fromhex("0013a20041abcdef")
METER = bytes.fromhex("00db1234567890a0")
NEXT_HUB = bytes.fromhex("0013a20041abcd00")
NEXT_METER = bytes.fromhex("00db1234567890b0")
TERMINAL = bytes.fromhex("0013a20041000099")
INSTALL_CODE = bytes.fromhex("83fed3407a939723a5c639b26916d505")
NEXT_INSTALL_CODE = bytes.fromhex("7a939723a5c639b2691618027a939723")

PARTIES = {Role.ACCESS_CONTROL_BROKER: ACB, Role.SUPPLIER: SUPPLIER, Role.NETWORK_OPERATOR: NETWORK_OPERATOR}


class House:
    """A street with one furnished house: hub, meter, terminal, and behind the WAN a broker, two suppliers and a network
    operator; on demand a second hub and meter next door.  All keys come from one seed."""

    def __init__(self, *, next_door: bool = False, registration: Any = None, **hub: Any) -> None:
        rng = random.Random(20)
        euis = (ACB, SUPPLIER, OTHER_SUPPLIER, NETWORK_OPERATOR, HUB, METER, NEXT_HUB, NEXT_METER)
        self.privates = {f"{eui.hex()}-{use}": generate(rng) for eui in euis for use in ("ds", "ka", "pp-ka")}
        self.publics = {name: public_of(private) for name, private in self.privates.items()}
        self.lab = Lab()
        self.lab.broker = "broker"
        broker = BrokerSettings(ACB, registration=registration, outages_to=(NETWORK_OPERATOR,))
        self.add("broker", AccessControlBroker(broker, self.keys(ACB), self.publics, MemoryLedger(500)), ACB)
        for name, eui in (("supplier", SUPPLIER), ("rival", OTHER_SUPPLIER), ("operator", NETWORK_OPERATOR)):
            self.add(name, Supplier(SupplierSettings(eui), self.keys(eui), self.publics, MemoryLedger(1000)), eui)
        self.add("terminal", HandHeldTerminal(HhtSettings(TERMINAL)), TERMINAL)
        self._furnish("hub", "meter", HUB, METER, INSTALL_CODE, hub)
        if next_door:
            self._furnish("next hub", "next meter", NEXT_HUB, NEXT_METER, NEXT_INSTALL_CODE, hub)

    def _furnish(self, hub: str, meter: str, hub_eui: bytes, eui: bytes, code: bytes, settings: dict[str, Any]) -> None:
        cells = self.cells("CHF")
        self.add(hub, CommsHub(HubSettings(hub_eui, **settings), self.keys(hub_eui), cells), hub_eui)
        form = EsmeSettings(install_code=code, epid=hub_eui)
        self.add(meter, Esme(eui, self.keys(eui), self.cells("ESME"), form), eui)
        self.lab.hub_of |= {hub_eui: hub, eui: hub}

    def add(self, name: str, machine: Machine, eui: bytes) -> None:
        self.lab.add(name, machine, eui)
        if name not in ("meter", "next meter"):
            self.lab.power_on(name)

    def keys(self, eui: bytes) -> MemoryKeyStore:
        """The key store of one party or device: its own keys alone."""
        own = {name: key for name, key in self.privates.items() if name.startswith(eui.hex())}
        return MemoryKeyStore(own, {})

    @staticmethod
    def nobody() -> MemoryKeyStore:
        """A key store without keys."""
        return MemoryKeyStore({}, {})

    def cells(self, device: str) -> CredentialCells:
        return cells_from_publics(device, PARTIES, self.publics)

    def commission(self, meter: str = "meter", hub: str = "hub", code: bytes = INSTALL_CODE) -> None:
        """Add the meter to the hub's log over the WAN and let it join."""
        lab = self.lab
        lab.run(2 * SECOND)
        device = lab.stations[meter].eui
        lab.ask(
            "broker",
            "command",
            use_case="CCS01",
            device=lab.stations[hub].eui.hex(),
            on_behalf=SUPPLIER.hex(),
            counter=7,
            args={"device": device.hex(), "install_code": code.hex(), "device_type": "ESME", "join_time": 90},
        )
        lab.run(SECOND)
        lab.power_on(meter)
        lab.run(5 * SECOND)

    def work_order(self, *use_cases: str, device: bytes = METER) -> list[dict[str, str]]:
        """Have the supplier collect local copies of these commands from the broker."""
        for use_case in use_cases:
            self.lab.ask("supplier", "command", use_case=use_case, device=device.hex(), delivery="local")
        self.lab.run(SECOND)
        found: list[dict[str, str]] = self.lab.ask("supplier", "work_order", device=device.hex())["commands"]
        return found[-len(use_cases) :]

    def connect(self, hub: bytes = HUB) -> None:
        """The installer scans and connects."""
        self.lab.ask("terminal", "scan")
        self.lab.run(2 * SECOND)
        self.lab.ask("terminal", "connect", hub=hub.hex())
        self.lab.run(SECOND)
