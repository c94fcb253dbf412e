"""Puts a bench together as its file says: world, ports, machines, hosts.

Two tables say what there is: ``MACHINES`` (kind of device to machine) and the port drivers.  Adding a kind of device is
adding a row.

Must not live here: verbs of the bus (``commands``), keys (``keyring``), radios (``radios``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from devices.events.bench import LinkSwitched, OperatorActed, PinMoved
from devices.events.messages import MessageSent
from devices.machines.access_control_broker import AccessControlBroker, BrokerSettings
from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.core import Machine
from devices.machines.esme import Esme
from devices.machines.esme_settings import EsmeSettings
from devices.machines.faults import FAULTY, make_faulty, names
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.han_device import HanSettings
from devices.machines.hht import HandHeldTerminal, HhtSettings
from devices.machines.ihd import IhdSettings, InHomeDisplay
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.device_keys import OwnKeysSettings
from devices.machines.parts.joining import JoinSettings, PeerType
from devices.machines.supplier import Supplier, SupplierSettings
from devices.model.credentials import cells_from_publics
from devices.model.roles import Role
from devices.trust.ledger import Ledger, MemoryLedger
from rig.host.host import Host, HostError, Plugs
from rig.host.ledgers import FileLedger
from rig.host.store import JournalStore, MemoryStore, Store, StoreError
from rig.node.beacons import Beacons
from rig.node.bench_file import Bench, BenchFileError, Device
from rig.node.clocks import BenchClock
from rig.node.external import ExternalDevice
from rig.node.keyring import Keyring
from rig.node.links import LINE, Links
from rig.node.radios import HAN_DRIVERS, INTERPAN_DRIVERS, Radios
from rig.node.recorder import Recorder
from rig.node.settings import changed
from rig.node.virtual_world import VirtualWorld
from rig.node.wan_ends import HeadEnd, Homeward
from rig.ports.gpio import GpioBank, OutputSettings, pi_factory, virtual_factory
from rig.ports.i2c import open_i2c
from rig.ports.ina226 import Ina226, Ina226Settings
from rig.ports.internal import InternalLine
from rig.ports.operator import Button, CallbackButton, DeviceFace, NetButton, ScriptedOperator
from rig.ports.protocols import Clock, InternalPort, MessageLink, Operator, Supply
from rig.ports.supply import SwitchedSupply, VirtualSupply
from rig.ports.user_gateway import WAYS, UserGateway
from rig.ports.wan import TcpWanClient, TcpWanServer, VirtualWan

__all__ = ["Premises", "build", "check", "maker", "store_of"]

Make = Callable[[], Machine]
COIL_LONGEST_NS = 100_000_000  # what a latching coil may carry current for, facts/pi-bench.md 5.1


@dataclass
class Premises:
    """A bench that is up: what the verbs of the bus work on."""

    bench: Bench
    clock: Clock
    recorder: Recorder
    hosts: dict[str, Host]
    banks: dict[str, GpioBank]
    instruments: dict[str, Ina226]
    supplies: dict[str, Supply]
    operator: Operator
    radios: Radios
    beacons: Beacons
    world: VirtualWorld | None
    cuts: Mapping[str, Callable[[bool], None]]
    """Device to what cuts its WAN link (False) or restores it (True)."""
    inputs: dict[tuple[str, str], Callable[[], bool]] = field(default_factory=dict)
    external: Mapping[str, ExternalDevice] = field(default_factory=dict)
    publics: Mapping[str, bytes] = field(default_factory=dict)
    """The public keys of everybody, by name."""
    closing: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> None:
        """Arm the outputs, set up the instruments, start every device that has power."""
        for bank in self.banks.values():
            bank.arm()
        for instrument in self.instruments.values():
            instrument.configure()
        for host in self.hosts.values():
            host.start()

    def check(self) -> None:
        """Whatever runs beside this process must be there.  Raises :class:`rig.ports.protocols.PortLost`."""
        for external in self.external.values():
            external.check()

    def safe(self) -> None:
        """Every output to its safe level, now; nothing can be driven until it is armed again."""
        for bank in self.banks.values():
            bank.disarm()

    def close(self) -> None:
        """Go safe and give everything back."""
        self.safe()
        for close in reversed(self.closing):
            close()


def build(
    bench: Bench, clock: BenchClock, recorder: Recorder, overlay: Mapping[str, Any] | None = None, variant: str = ""
) -> Premises:
    """The bench of the file, not started yet.  ``overlay`` and ``variant`` are those that it was read with, for devices
    that run in a process of their own.  Raises :class:`BenchFileError` for what cannot be put together."""
    closing: list[Callable[[], None]] = []
    try:
        return _Builder(bench, clock, recorder, closing).premises(dict(overlay or {}), variant)
    except BaseException as problem:
        for close in reversed(closing):
            close()
        if isinstance(problem, BenchFileError):
            raise
        if isinstance(problem, ValueError | StoreError | HostError | OSError):
            raise BenchFileError(bench.source, "parts that can be put together", str(problem)) from None
        raise


def check(bench: Bench) -> None:
    """Whether every machine of the bench can be made: a setting or a fault that it does not know.  Nothing is opened.

    Raises :class:`BenchFileError`.
    """
    trust = _Trust(bench)
    for device in bench.devices.values():
        try:
            make = _make(trust, device)
            if "ledgers" not in bench.trust:  # a ledger on disk belongs to the premises that are up
                make()
        except BenchFileError:
            raise
        except (ValueError, OSError) as problem:
            raise BenchFileError(bench.source, "parts that can be put together", str(problem)) from None


def maker(bench: Bench, device: Device) -> Make:
    """How to make the machine of one device of the bench."""
    return _make(_Trust(bench), device)


def store_of(bench: Bench, device: Device) -> Store:
    """What a device keeps over power losses: on the disk where the bench file names a folder (``trust.stores``)."""
    folder = bench.trust.get("stores")
    return JournalStore(Path(str(folder)) / f"{device.eui.hex()}.journal") if folder else MemoryStore()


_PARTNERS: Mapping[str, Mapping[str, PeerType]] = {"gsme": {"gpf": PeerType.GPF}, "gpf": {"gsme": PeerType.GSME}}
"""Kind of device to the kinds that stand in its device log, and as what."""


class _Trust:
    """What machines need of their bench: keys, ledgers, who plays which role."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.keyring = Keyring(bench)

    def ledger(self, device: Device) -> Ledger:
        folder = self.bench.trust.get("ledgers")
        return FileLedger(Path(str(folder)) / f"{device.eui.hex()}.json") if folder else MemoryLedger()

    def civil_clock(self) -> ClockSettings:
        """Clocks of devices start right; a bench file may set them wrong."""
        return ClockSettings(start_ns=self.bench.civil_start)

    def commands(self, device: Device) -> CommandSettings:
        """How a device takes commands; the keys that it makes for itself come from the bench's seed.

        A gas meter and the proxy behind the same hub are in the device logs of each other, as commissioning (CS03B)
        leaves them.
        """
        others = _PARTNERS.get(device.kind, {}) if device.behind else {}
        house = [d for d in self.bench.devices.values() if d.behind == device.behind]
        partners = {d.eui: others[d.kind] for d in house if d.kind in others}
        own_keys = OwnKeysSettings(seed=f"{self.bench.seed}/own")
        return CommandSettings(asn1=Asn1Settings(own_keys=own_keys, joining=JoinSettings(partners=partners)))

    def where(self, device: Device) -> str:
        return f"{self.bench.source}.devices.{device.name}.settings"

    def proxy_of(self, hub: str) -> bytes | None:
        """The gas proxy that a hub holds."""
        proxies = (d.eui for d in self.bench.devices.values() if d.kind == "gpf" and d.behind == hub)
        return next(proxies, None)

    def roles(self) -> dict[Role, bytes]:
        """Who plays which role for the devices of this bench."""
        found = {}
        for name, party in self.bench.parties.items():
            try:
                found[Role.named(name)] = self.bench.devices[party].eui
            except KeyError:
                known = ", ".join(role.label for role in Role)
                raise BenchFileError(f"{self.bench.source}.parties", f"roles among {known}", name) from None
        return found


class _Builder:
    def __init__(self, bench: Bench, clock: BenchClock, recorder: Recorder, closing: list[Callable[[], None]]) -> None:
        self.bench, self.clock, self.recorder, self.closing = bench, clock, recorder, closing
        self.trust = _Trust(bench)
        self.world = VirtualWorld(bench, clock, self._edge)
        self.gateway = UserGateway(clock)
        self.wan = VirtualWan(clock, Random(f"{bench.seed}/wan"))
        self.radios = Radios(bench, clock, self.world, recorder.heard)
        self.world.ether.tap(recorder.air)
        self.beacons = Beacons(bench, recorder)
        self.world.ether.tap(self.beacons.tap)
        self.world.ether.tap_arrivals(self.beacons.arrival)
        recorder.follow(Links(bench))
        self.banks: dict[str, GpioBank] = {}
        self.inputs: dict[tuple[str, str], Callable[[], bool]] = {}
        self.external: dict[str, ExternalDevice] = {}
        self.lines: dict[tuple[str, str], InternalLine] = {}
        self.cuts: dict[str, Callable[[bool], None]] = {}

    def premises(self, overlay: dict[str, Any], variant: str) -> Premises:
        for device in self.bench.devices.values():
            if any(port.driver == LINE for port in device.ports.values()):
                external = ExternalDevice(self.bench, overlay, variant, device, self.clock, self.world)
                self.external[device.name] = self._closed(external)
                external.link.on_link = partial(self._line_switched, device)
                self.inputs |= {(device.name, pin): level for pin, level in external.inputs.items()}
        hosts = {d.name: self._host(d) for d in self.bench.devices.values() if d.name not in self.external}
        instruments = {
            wanted.name: Ina226(
                open_i2c(wanted.url, self.world.buses), wanted.address, wanted.name, self.clock,
                Ina226Settings(shunt_ohms=wanted.shunt_ohm),
            )
            for wanted in self.bench.instruments.values()
        }  # fmt: skip
        return Premises(
            self.bench, self.clock, self.recorder, hosts, self.banks, instruments, self._supplies(instruments),
            self._operator(hosts), self.radios, self.beacons, self.world, self.cuts, self.inputs,
            self.external, self.trust.keyring.directory, self.closing,
        )  # fmt: skip

    def _supplies(self, instruments: Mapping[str, Ina226]) -> dict[str, Supply]:
        """The supplies of the bench as ports: virtual ones, and those that a GPIO switches."""
        made: dict[str, Supply] = {}
        meter = next(iter(instruments.values()), None)
        for wanted in self.bench.supplies.values():
            where = f"{self.bench.source}.supplies.{wanted.name}"
            if meter is None:
                raise BenchFileError(
                    f"{self.bench.source}.instruments", "an instrument to sense the supplies with", "none"
                )
            if wanted.driver == "virtual":
                made[wanted.name] = VirtualSupply(self.world.supplies[wanted.name], meter, wanted.name)
                continue
            if wanted.output is None:
                raise BenchFileError(f"{where}.output", "the GPIO that switches it", "nothing")
            sense = instruments.get(wanted.instrument or "")
            if sense is None:
                raise BenchFileError(f"{where}.instrument", f"one of {', '.join(instruments)}", wanted.instrument)
            output = self._bank(wanted.node).output(wanted.name, wanted.output)
            made[wanted.name] = SwitchedSupply(output, sense, self.clock, wanted.name, wanted.volts)
        return made

    def _edge(self, device: str, pin: str, level: bool, at_ns: int) -> None:
        node = self.bench.devices[device].node
        self.recorder.record(node, device, PinMoved(pin=pin, level=level), at_ns)

    # ------------------------------------------------------------------------------------------------------- devices

    def _host(self, device: Device) -> Host:
        machine = _make(self.trust, device)
        plugs = self._plugs(device)
        record = self.recorder.for_device(device.node, device.name)
        frames = partial(self.recorder.tapped, device.name)
        return Host(device.name, machine, self.clock, plugs, self._store(device), record, frames)

    def _plugs(self, device: Device) -> Plugs:
        plugs = Plugs()
        for name, port in device.ports.items():
            where = f"{self.bench.source}.devices.{device.name}.ports.{name}"
            if port.driver == "gateway":
                for way in WAYS:
                    broker = device.kind == "access_control_broker"
                    plugs.messages[f"{name}.{way}"] = (
                        self.gateway.broker(device.eui, way) if broker else self.gateway.user(device.eui, way)
                    )
            elif port.driver == "wan":
                plugs.messages[name] = self._wan_end(device, port.url, where)
            elif port.driver in HAN_DRIVERS:
                plugs.han[name] = self._closed(self.radios.han(device, port, where))
            elif port.driver in INTERPAN_DRIVERS:
                plugs.interpan[name] = self._closed(self.radios.interpan(device, port, where))
            elif port.driver == "internal":
                plugs.inside[name] = self._inside(device, name, where)
                plugs.copies |= {name} if INSIDE[name] == COPIES else set()
            else:
                known = ("gateway", "wan", "internal", *HAN_DRIVERS, *INTERPAN_DRIVERS)
                raise BenchFileError(f"{where}.driver", f"one of {', '.join(known)}", port.driver)
        self._pins(device, plugs)
        return plugs

    def _inside(self, device: Device, port: str, where: str) -> InternalPort:
        """An end of a line between a hub and the gas proxy in it."""
        hub = {"comms_hub": device.name, "gpf": device.behind}.get(device.kind)
        if hub is None or port not in INSIDE or self.trust.proxy_of(hub) is None:
            known = ", ".join(INSIDE)
            raise BenchFileError(where, f"a port of a hub or of the gas proxy behind it ({known})", port)
        line = self.lines.setdefault((hub, INSIDE[port]), InternalLine(self.clock))
        return line.end(port, device.eui)

    def _pins(self, device: Device, plugs: Plugs) -> None:
        for name, pin in device.pins.items():
            bank = self._bank(device.node)
            label = f"{device.name}.{name}"
            if pin.kind == "output":
                settings = OutputSettings(longest_on_ns=COIL_LONGEST_NS, interlock=f"{device.name} coils")
                plugs.outputs[name] = bank.output(label, pin.gpio, settings)
                continue
            source = bank.input(label, pin.gpio)
            self.inputs[device.name, name] = lambda source=source: source.level  # type: ignore[misc]
            if pin.kind == "power":
                plugs.power = source
            elif pin.kind == "button":
                plugs.buttons[name] = source
            else:
                plugs.inputs[name] = source

    def _bank(self, node: str) -> GpioBank:
        if node not in self.banks:
            real = self.bench.nodes[node].gpio == "lgpio"
            factory = pi_factory() if real else virtual_factory(self.world.pins(node), self.clock)
            bank = GpioBank(factory, self.clock, threaded=real)
            self.closing.append(bank.close)
            self.banks[node] = bank
        return self.banks[node]

    def _wan_end(self, device: Device, url: str, where: str) -> MessageLink:
        """One end of the WAN: virtual, or over TCP (``tcp://host:port``; the head end listens there)."""
        end = self._tcp_end(device, url, where) if url else self._virtual_end(device)
        if device.kind != "access_control_broker":
            return Homeward(end, self._broker())
        behind = {d.eui: self.bench.devices[d.behind].eui for d in self.bench.devices.values() if d.behind}
        lines = {external.device.eui: external.link for external in self.external.values()}
        return HeadEnd(end, behind, lines, partial(self._off_a_line, device))

    def _off_a_line(self, broker: Device, sender: bytes, octets: bytes) -> None:
        """The tap at the bench's end of a line: what the device at its far end put on it."""
        device = next(d for d in self.bench.devices.values() if d.eui == sender)
        self.recorder.record(device.node, device.name, MessageSent(port=LINE, peer=broker.eui, octets=octets))

    def _line_switched(self, device: Device, up: bool) -> None:
        self.recorder.record(device.node, device.name, LinkSwitched(link=LINE, up=up))

    def _virtual_end(self, device: Device) -> MessageLink:
        self.cuts[device.name] = lambda up: self.wan.restore(device.eui) if up else self.wan.cut(device.eui)
        return self.wan.endpoint(device.eui)

    def _tcp_end(self, device: Device, url: str, where: str) -> MessageLink:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme != "tcp" or not parts.hostname or port is None:
            raise BenchFileError(f"{where}.url", "an address such as tcp://192.0.2.1:47000, or nothing", url)
        if device.kind == "access_control_broker":
            server = self._closed(TcpWanServer((parts.hostname, port), self.clock))
            listening: MessageLink = server.endpoint(device.eui)
            return listening
        client: TcpWanClient = self._closed(TcpWanClient((parts.hostname, port), device.eui, self.clock))
        self.cuts[device.name] = lambda up: client.restore() if up else client.cut()
        return client

    def _broker(self) -> bytes:
        name = self.bench.parties.get("access_control_broker")
        if name is None:
            raise BenchFileError(f"{self.bench.source}.parties", "an access_control_broker behind the WAN", "none")
        return self.bench.devices[name].eui

    def _closed(self, port: Any) -> Any:
        self.closing.append(port.close)
        return port

    def _store(self, device: Device) -> Store:
        store = store_of(self.bench, device)
        if isinstance(store, JournalStore):
            self.closing.append(store.close)
        return store

    def _operator(self, hosts: Mapping[str, Host]) -> Operator:
        faces = {}
        for name, external in self.external.items():
            names = [button for button, pin in external.device.pins.items() if pin.kind == "button"]
            pressed: dict[str, Button] = {b: CallbackButton(_presser(external, b)) for b in names}
            faces[name] = DeviceFace(display=lambda: "(not to be seen from here)", buttons=pressed)
        for device in self.bench.devices.values():
            if device.name in self.external:
                continue
            host = hosts[device.name]
            buttons = {
                name: NetButton(self.world.pins(device.node)[pin.gpio])
                for name, pin in device.pins.items()
                if pin.kind == "button" and self.bench.nodes[device.node].gpio == "virtual"
            }
            record = self.recorder.for_device(device.node, device.name)
            faces[device.name] = DeviceFace(
                display=lambda host=host: host.display,  # type: ignore[misc]
                buttons=buttons,
                seal_broken=lambda record=record: record(OperatorActed(act="seal broken")),  # type: ignore[misc]
            )
        return ScriptedOperator(faces, self.clock)


def _presser(external: ExternalDevice, button: str) -> Callable[[int], None]:
    return lambda held_ns: external.press(button, held_ns)


# ------------------------------------------------------------------------------------------------------------- machines


def _make(trust: _Trust, device: Device) -> Make:
    make = MACHINES.get(device.kind)
    if make is None:
        raise BenchFileError(
            f"{trust.bench.source}.devices.{device.name}.kind", f"one of {', '.join(MACHINES)}", device.kind
        )
    for own in ("eui", "faults"):
        if own in device.settings:
            where = f"{trust.bench.source}.devices.{device.name}"
            raise BenchFileError(f"{where}.settings.{own}", f"it beside the settings ({where}.{own.rstrip('s')})", own)
    if device.fault is not None:
        known = names(FAULTY.get(device.kind, device.kind))
        if device.fault not in known:
            raise BenchFileError(
                f"{trust.bench.source}.devices.{device.name}.fault",
                f"a fault of a device of kind {device.kind} ({', '.join(known) or 'none is defined'})",
                device.fault,
            )
    return make(trust, device)


def _supplier(trust: _Trust, device: Device) -> Make:
    settings = changed(SupplierSettings(device.eui), device.settings, trust.where(device))
    keys, ledger = trust.keyring.store(device.eui), trust.ledger(device)
    return lambda: Supplier(settings, keys, trust.keyring.directory, ledger)


def _broker(trust: _Trust, device: Device) -> Make:
    told = tuple(eui for role, eui in trust.roles().items() if role is Role.NETWORK_OPERATOR)
    settings = changed(BrokerSettings(device.eui, outages_to=told), device.settings, trust.where(device))
    keys, ledger = trust.keyring.store(device.eui), trust.ledger(device)
    return lambda: AccessControlBroker(settings, keys, trust.keyring.directory, ledger)


def _comms_hub(trust: _Trust, device: Device) -> Make:
    defaults = HubSettings(
        device.eui,
        commands=trust.commands(device),
        clock=trust.civil_clock(),
        faults=frozenset([device.fault] if device.fault else []),
        proxy=trust.proxy_of(device.name),
    )
    settings = changed(defaults, device.settings, trust.where(device))
    keys, roles = trust.keyring.store(device.eui), trust.roles()
    return lambda: CommsHub(settings, keys, cells_from_publics("CHF", roles, trust.keyring.directory))


def _meter(
    kind: str, machine: Callable[..., Machine], settings: Callable[..., HanSettings], *, calls_hub: bool = False
) -> Callable[[_Trust, Device], Make]:
    """Makes devices of a ``kind`` that takes commands, good or faulty.

    ``calls_hub``: it knows the hub it stands behind from the start, for it is the one that speaks first.
    """

    def maker(trust: _Trust, device: Device) -> Make:
        hub = trust.bench.devices[device.behind].eui if calls_hub and device.behind else None
        code, commands = device.install_code or None, trust.commands(device)
        defaults = settings(install_code=code, commands=commands, clock=trust.civil_clock(), hub=hub)
        wanted = changed(defaults, device.settings, trust.where(device))
        keys, roles = trust.keyring.store(device.eui), trust.roles()

        def make() -> Machine:
            cells = cells_from_publics(kind, roles, trust.keyring.directory)
            if device.fault:
                return make_faulty(kind, device.fault, device.eui, keys, cells, wanted)
            return machine(device.eui, keys, cells, wanted)

        return make

    return maker


def _hht(trust: _Trust, device: Device) -> Make:
    defaults = HhtSettings(device.eui, faults=frozenset([device.fault] if device.fault else []))
    settings = changed(defaults, device.settings, trust.where(device))
    return lambda: HandHeldTerminal(settings)


def _ihd(trust: _Trust, device: Device) -> Make:
    settings = changed(IhdSettings(install_code=device.install_code or None), device.settings, trust.where(device))
    return lambda: InHomeDisplay(settings)


COPIES = "copies"
INSIDE: Mapping[str, str] = {"proxy": "messages", "line": "messages", "tap": COPIES}
"""Port of a hub or of the gas proxy in it to the line between them."""

MACHINES: Mapping[str, Callable[[_Trust, Device], Make]] = {
    "supplier": _supplier,
    "network_operator": _supplier,
    "access_control_broker": _broker,
    "comms_hub": _comms_hub,
    "esme": _meter("ESME", Esme, EsmeSettings),
    "gsme": _meter("GSME", Gsme, GsmeSettings, calls_hub=True),
    "gpf": _meter("GPF", Gpf, GpfSettings, calls_hub=True),
    "hht": _hht,
    "ihd": _ihd,
}
