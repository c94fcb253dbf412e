"""Bench files: what a bench consists of, read from YAML and checked to the last key.

A bench file names nodes, devices, what is plugged into their ports and pins, and, for a virtual bench, the world around
them.  Real or virtual is chosen here by URL or driver name and nowhere else.

Must not live here: building anything from it (``assembly``), reading YAML (``sections``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from devices.wire import eui64
from rig import share, yaml_text
from rig.bus.capabilities import CAPABILITIES
from rig.bus.errors import BadTopic
from rig.bus.topics import check_id
from rig.node import terms
from rig.node.sections import BenchFileError, Section
from rig.node.takes import Time, declared, span, times_of

__all__ = [
    "Bench",
    "BenchFileError",
    "Contactor",
    "Device",
    "Instrument",
    "Node",
    "Port",
    "Supply",
    "Wire",
    "effective",
    "from_value",
    "load",
    "merged",
    "parse",
    "value_of",
]

VERSION = 1
LONGEST_TEST = "30 min"  # of a test on a real clock [our default]
SPAN = "a span of time such as 30 min"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Port:
    """What is plugged into one port of a device: a driver name, and what that driver needs.

    ``endpoint`` is the Zigbee endpoint that the device speaks on; the others of the bench send to it there.
    """

    driver: str
    url: str = ""
    radio: bytes = b""
    scan_url: str = ""
    scan_radio: bytes = b""
    endpoint: int = 1


@dataclass(frozen=True, slots=True)
class Pin:
    """One GPIO of the device's node, by BCM number.  ``kind``: output, input, button or power."""

    gpio: int
    kind: str


@dataclass(frozen=True, slots=True)
class Device:
    """One device or party.  ``eui`` is its device id; the ids of its radios stand with its ports; ``takes`` is how long
    it takes for what, at the most; ``under_test`` is one that is not emulated, ``declared`` what its maker says."""

    name: str
    kind: str
    node: str
    eui: bytes
    ports: Mapping[str, Port]
    pins: Mapping[str, Pin]
    settings: Mapping[str, Any]
    fault: str | None
    behind: str | None
    install_code: bytes
    takes: Mapping[str, Time]
    under_test: bool = False
    declared: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Supply:
    """A supply of the bench.  ``output`` is the GPIO that switches it and ``instrument`` what senses it (real),
    ``volts`` its level,
    ``upstream`` the supply that it hangs on."""

    name: str
    node: str
    driver: str
    volts: float
    output: int | None
    instrument: str | None
    upstream: str | None


@dataclass(frozen=True, slots=True)
class Contactor:
    """A contactor of the virtual world: travel and bounce, and its fault, if it shall have one."""

    name: str
    supply: str
    instrument: str
    operate_ms: float
    release_ms: float
    bounce_ms: tuple[float, ...]
    load_ohm: float
    closed: bool
    fault: str | None


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument of a node: an INA226 at an address of an I2C bus, with its shunt, calibrated until a day."""

    name: str
    node: str
    driver: str
    url: str
    address: int
    shunt_ohm: float
    calibrated_until: date | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """One wire of the virtual world between two terminals, written ``place.terminal``."""

    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Node:
    """One Raspberry Pi, or its virtual twin: which pin factory it uses."""

    name: str
    gpio: str


@dataclass(frozen=True, slots=True)
class Bench:
    """A whole bench as its file says.  ``civil_start`` is the civil time at bench time 0, in ns since the Unix epoch;
    ``longest_test`` is how long a test may keep a bench on a real clock, ns; ``decision_rule`` and ``tolerated`` are
    what the lab has agreed on."""

    name: str
    source: str
    seed: int
    civil_start: int
    clock: str
    broker: str
    tls: Path | None
    trust: Mapping[str, Any]
    parties: Mapping[str, str]
    air: Mapping[str, Any]
    nodes: Mapping[str, Node]
    devices: Mapping[str, Device]
    supplies: Mapping[str, Supply]
    contactors: Mapping[str, Contactor]
    instruments: Mapping[str, Instrument]
    wires: tuple[Wire, ...]
    capabilities: tuple[str, ...]
    longest_test: int
    decision_rule: str
    tolerated: tuple[Mapping[str, str], ...]

    @property
    def paced(self) -> bool:
        """Whether its time passes by itself: on a real clock, and where a program outside of the bench takes part."""
        lines = (port.driver == "line" for device in self.devices.values() for port in device.ports.values())
        return self.clock == "real" or any(lines)


def value_of(text: str) -> Any:
    """A single value as it would read in a bench file: a number, a text, true, null."""
    try:
        value = yaml_text.read(text)
    except ValueError:
        return text
    return text if isinstance(value, date) else value  # a date stays as it was written


def effective(path: Path, overlay: Mapping[str, Any] | None = None) -> str:
    """The whole bench file as a run uses it, with what it extends and with the overlay in place, as YAML."""
    value = yaml_text.read(path.read_text(encoding="utf-8"))
    return yaml.safe_dump(merged(_extended(value, str(path)), overlay or {}), sort_keys=False, allow_unicode=True)


def load(path: Path, overlay: Mapping[str, Any] | None = None, variant: str = "") -> Bench:
    """Read a bench file; ``variant`` and then ``overlay`` change values in it, key by key.

    Raises :class:`BenchFileError` with the one thing that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BenchFileError(str(path), "a readable bench file", str(problem)) from None
    return parse(text, str(path), overlay, variant)


def parse(text: str, source: str, overlay: Mapping[str, Any] | None = None, variant: str = "") -> Bench:
    """The bench that ``text`` describes; ``source`` names it in errors."""
    try:
        value = yaml_text.read(text)
    except ValueError as problem:
        raise BenchFileError(source, "valid YAML", str(problem)) from None
    return from_value(value, source, overlay, variant)


def from_value(value: Any, source: str, overlay: Mapping[str, Any] | None = None, variant: str = "") -> Bench:
    """The bench that a value read from YAML describes; the value stays as it is."""
    value = _extended(value, source)
    if isinstance(value, dict):
        variants = Section(value.get("variants", {}), f"{source}.variants")._left
        value = {key: item for key, item in value.items() if key != "variants"}
        if variant and variant not in variants:
            raise BenchFileError(f"{source}.variants", f"one of {', '.join(variants) or 'none is defined'}", variant)
        for layer in (variants.get(variant, {}), overlay or {}):
            value = merged(value, layer)
    top = Section(value, source)
    if top.whole("rig") != VERSION:
        raise BenchFileError(f"{source}.rig", f"version {VERSION} of the bench file format", "another version")
    bench = Bench(
        name=top.text("name"),
        source=source,
        seed=top.whole("seed", 1),
        civil_start=_instant(top, "civil_start"),
        clock=top.choice("clock", ("virtual", "real"), "virtual"),
        broker=(broker := top.text("broker", "embedded")),
        tls=_tls(top, broker),
        trust=_trust(top),
        parties={role: str(name) for role, name in top.free("parties").items()},
        air=top.free("air"),
        nodes=dict(_each(top, "nodes", _node)),
        devices=dict(_each(top, "devices", _device)),
        supplies=dict(_each(top, "supplies", _supply)),
        contactors=dict(_each(top, "contactors", _contactor)),
        instruments=dict(_each(top, "instruments", _instrument)),
        wires=tuple(_wires(top)),
        capabilities=tuple(_capabilities(top)),
        longest_test=span(top.take("longest_test", str, SPAN, LONGEST_TEST), top.at("longest_test")),
        decision_rule=top.choice("decision_rule", terms.RULES, terms.RULES[0]),
        tolerated=terms.tolerated(top),
    )
    top.done()
    _check_references(bench)
    return bench


def _tls(top: Section, broker: str) -> Path | None:
    """The folder of the certificates with which Robot and nodes come to a broker."""
    told = top.optional("tls")
    if told is not None and not broker.startswith("mqtts://"):
        raise BenchFileError(top.at("tls"), "it with a broker at an mqtts:// address alone", told)
    return None if told is None else Path(told)


def _extended(value: Any, source: str) -> Any:
    """A bench file that names another one in ``extends`` (a path from its own folder, or a shipped one's name) changes
    values in that."""
    if not isinstance(value, dict) or "extends" not in value:
        return value
    name, value = str(value["extends"]), {key: item for key, item in value.items() if key != "extends"}
    beside = Path(source).parent
    places = (beside / name, beside / f"{name}.yaml", share.folder("wiring") / "benches" / f"{name}.yaml")
    base = next((place for place in places if place.is_file()), None)
    if base is None:
        raise BenchFileError(
            f"{source}.extends", "a path from this file's folder, or the name of a shipped bench", name
        )
    try:
        under = yaml_text.read(base.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BenchFileError(f"{source}.extends", "a readable bench file", str(problem)) from None
    if isinstance(under, dict) and "extends" in under:
        raise BenchFileError(f"{source}.extends", "a bench file that does not extend another", name)
    return merged(under, value)


def merged(under: Any, over: Any) -> Any:
    """``under`` with the values of ``over`` laid over it; mappings key by key, everything else as a whole.

    A list whose entries have names (:data:`BY_NAME`) is added to and replaced by name where ``over`` gives a mapping.
    """
    if not (isinstance(under, Mapping) and isinstance(over, Mapping)):
        return over
    found = dict(under)
    for key, item in over.items():
        below = found.get(key)
        if isinstance(item, Mapping) and isinstance(below, list) and key in BY_NAME:
            below = BY_NAME[key](below)
        found[key] = merged(below, item)
    return found


def _wires_by_name(wires: list[Any]) -> Any:
    """Wires by the first of their two terminals; left as they are where that does not name them."""
    pairs = [tuple(wire) if isinstance(wire, list) and len(wire) == 2 else (None, None) for wire in wires]
    named = {a: b for a, b in pairs if isinstance(a, str)}
    return named if len(named) == len(wires) else wires


BY_NAME: Mapping[str, Callable[[list[Any]], Any]] = {
    "wires": _wires_by_name,
    "capabilities": lambda names: {str(name): True for name in names},
}
"""Lists of a bench file whose entries have names, and how those are found."""


def _each(top: Section, key: str, build: Callable[[str, Section], T]) -> Iterator[tuple[str, T]]:
    for name, section in top.sections(key):
        built = build(name, section)
        section.done()
        yield name, built


def _instant(top: Section, key: str) -> int:
    value = top.take(key, (str, datetime), "a UTC instant such as 2020-06-01T09:00:00Z")
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise BenchFileError(top.at(key), "a UTC instant such as 2020-06-01T09:00:00Z", value) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    if instant.year not in CIVIL_YEARS:
        raise BenchFileError(top.at(key), f"a year from {CIVIL_YEARS[0]} to {CIVIL_YEARS[-1]}", value)
    return int(instant.timestamp()) * 1_000_000_000


def _capabilities(top: Section) -> Iterator[str]:
    given = top.take("capabilities", (list, dict), "a list, or a mapping of names to true or false", [])
    entries = given.items() if isinstance(given, dict) else ((item, True) for item in given)
    for index, (item, has) in enumerate(entries):
        place = top.at(f"capabilities.{item}" if isinstance(given, dict) else f"capabilities[{index}]")
        if not isinstance(item, str) or item not in CAPABILITIES:
            raise BenchFileError(place, f"one of {', '.join(CAPABILITIES)}", item)
        if not isinstance(has, bool):
            raise BenchFileError(place, "true or false", has)
        if has:
            yield item


def _trust(top: Section) -> Mapping[str, Any]:
    trust = top.free("trust")
    for key in trust:
        if key not in TRUST:
            raise BenchFileError(top.at("trust"), f"only {', '.join(TRUST)}", key)
        if not isinstance(trust[key], str):
            raise BenchFileError(f"{top.at('trust')}.{key}", "a text", trust[key])
    return trust


def _node(name: str, section: Section) -> Node:
    return Node(name, section.choice("gpio", ("virtual", "lgpio", "none"), "virtual"))


PARTIES = ("supplier", "network_operator", "access_control_broker")
HUBS = ("comms_hub",)
PIN_KINDS = ("output", "input", "button", "power")
CONTACTOR_TERMINALS = ("set", "reset", "aux_no", "aux_nc")
SUPPLY_TERMINAL = "ok"
ENDPOINTS = range(1, 0xDC)  # GBCS fixes no number (facts/gbcs.md 8.4); from DC on they are the radio maker's own
GPIO = range(28)  # BCM numbers of the 40-pin header
I2C_ADDRESSES = range(0x03, 0x78)
CIVIL_YEARS = range(1970, 2106)  # what the time fields of messages and captures can hold
TRUST = ("domain", "folder", "ledgers", "stores")


def _device(name: str, section: Section) -> Device:
    ports = {}
    for port, inner in section.sections("ports"):
        ports[port] = Port(
            driver=inner.text("driver"),
            url=inner.text("url", ""),
            radio=inner.eui("radio", b""),
            scan_url=inner.text("scan_url", ""),
            scan_radio=inner.eui("scan_radio", b""),
            endpoint=inner.whole("endpoint", 1, span=ENDPOINTS),
        )
        inner.done()
    pins = {}
    for pin, inner in section.sections("pins"):
        pins[pin] = Pin(inner.whole("gpio", span=GPIO), inner.choice("kind", PIN_KINDS))
        inner.done()
    kind = section.text("kind")
    return Device(
        name=name,
        kind=kind,
        node=section.text("node"),
        eui=section.eui("eui"),
        ports=ports,
        pins=pins,
        settings=section.free("settings"),
        fault=section.optional("fault"),
        behind=section.optional("behind"),
        install_code=section.octets("install_code", 16),
        takes=times_of(kind, dict(declared(kind, section))),
        under_test=section.flag("under_test"),
        declared=terms.declared(section),
    )


def _supply(name: str, section: Section) -> Supply:
    return Supply(
        name=name,
        node=section.text("node"),
        driver=section.choice("driver", ("virtual", "switched"), "virtual"),
        volts=section.number("volts", 24.0),
        output=section.whole("output", span=GPIO) if "output" in section else None,
        instrument=section.optional("instrument"),
        upstream=section.optional("upstream"),
    )


def _contactor(name: str, section: Section) -> Contactor:
    return Contactor(
        name=name,
        supply=section.text("supply"),
        instrument=section.text("instrument"),
        operate_ms=section.number("operate_ms", 8.0),
        release_ms=section.number("release_ms", 4.0),
        bounce_ms=section.numbers("bounce_ms"),
        load_ohm=section.positive("load_ohm", 115.2),
        closed=section.flag("closed"),
        fault=section.optional("fault"),
    )


def _instrument(name: str, section: Section) -> Instrument:
    return Instrument(
        name=name,
        node=section.text("node"),
        driver=section.choice("driver", ("ina226",), "ina226"),
        url=section.text("url"),
        address=section.whole("address", span=I2C_ADDRESSES),
        shunt_ohm=section.positive("shunt_ohm"),
        calibrated_until=terms.calibrated_until(section),
    )


def _wires(top: Section) -> Iterator[Wire]:
    given = top.take("wires", (list, dict), "a list of wires, or a mapping of terminals to terminals", [])
    if isinstance(given, dict):  # null: the wire of a bench file below is taken off
        entries = {f"wires.{a}": [a, b] for a, b in given.items() if b is not None}
    else:
        entries = {f"wires[{index}]": item for index, item in enumerate(given)}
    for place, item in entries.items():
        if not (isinstance(item, list) and len(item) == 2 and all(isinstance(end, str) and "." in end for end in item)):
            raise BenchFileError(top.at(place), "two terminals such as [esme.GPIO16, main.set]", item)
        yield Wire(*item)


def _check_references(bench: Bench) -> None:
    """Whatever one part of the file says of another must be so: a name that leads nowhere is an error, no silence."""
    where = bench.source

    def known(kind: str, name: str, names: Mapping[str, object], place: str) -> None:
        if name not in names:
            raise BenchFileError(
                f"{where}.{place}", f"the name of a {kind} ({', '.join(names) or 'none is defined'})", name
            )

    for place, name in (("name", bench.name), *(("nodes", node) for node in bench.nodes)):
        try:
            check_id(place, name)
        except BadTopic:
            raise BenchFileError(f"{where}.{place}", "a name of a-z, 0-9 and inner hyphens, at most 64", name) from None
    for role, name in bench.parties.items():
        known("device that is a party", name, _of_kinds(bench, PARTIES), f"parties.{role}")
    for device in bench.devices.values():
        known("node", device.node, bench.nodes, f"devices.{device.name}.node")
        if device.behind is not None:
            known("hub", device.behind, _of_kinds(bench, HUBS), f"devices.{device.name}.behind")
    virtual = {name: supply for name, supply in bench.supplies.items() if supply.driver == "virtual"}
    for supply in bench.supplies.values():
        known("node", supply.node, bench.nodes, f"supplies.{supply.name}.node")
        if supply.upstream is not None:
            above = virtual if supply.name in virtual else bench.supplies
            known("supply", supply.upstream, above, f"supplies.{supply.name}.upstream")
    for instrument in bench.instruments.values():
        known("node", instrument.node, bench.nodes, f"instruments.{instrument.name}.node")
    for contactor in bench.contactors.values():
        known("virtual supply", contactor.supply, virtual, f"contactors.{contactor.name}.supply")
        known("instrument", contactor.instrument, bench.instruments, f"contactors.{contactor.name}.instrument")
    for supply in bench.supplies.values():
        _check_upstream(bench, supply)
    for index, wire in enumerate(bench.wires):
        for end in (wire.a, wire.b):
            known("terminal", end, dict.fromkeys(_terminals(bench)), f"wires[{index}]")
        if wire.a == wire.b:
            raise BenchFileError(f"{where}.wires[{index}]", "two terminals", wire.a)
    _check_power(bench)
    _check_unique(where, _identities(bench))


def _check_power(bench: Bench) -> None:
    """A virtual device learns from a wire whether it has power; without one it would be dead, or alive for ever."""
    wired = {end for wire in bench.wires for end in (wire.a, wire.b)}
    supplies = ", ".join(f"{name}.{SUPPLY_TERMINAL}" for name in bench.supplies) or "no supply is defined"
    for device in bench.devices.values():
        for name, pin in device.pins.items():
            terminal = f"{device.node}.GPIO{pin.gpio}"
            if pin.kind == "power" and bench.nodes[device.node].gpio == "virtual" and terminal not in wired:
                place = f"{bench.source}.devices.{device.name}.pins.{name}"
                raise BenchFileError(place, f"a wire from {terminal} to a supply ({supplies})", "no wire there")


def _of_kinds(bench: Bench, kinds: tuple[str, ...]) -> Mapping[str, object]:
    return {name: device for name, device in bench.devices.items() if device.kind in kinds}


def _check_upstream(bench: Bench, supply: Supply) -> None:
    seen, above = {supply.name}, supply.upstream
    while above is not None:
        if above in seen:
            raise BenchFileError(
                f"{bench.source}.supplies.{supply.name}.upstream", "supplies that end at a source", above
            )
        seen.add(above)
        above = bench.supplies[above].upstream


def _terminals(bench: Bench) -> Iterator[str]:
    """Whatever a wire may be fixed to."""
    for device in bench.devices.values():
        yield from (f"{device.node}.GPIO{pin.gpio}" for pin in device.pins.values())
    yield from (f"{name}.{terminal}" for name in bench.contactors for terminal in CONTACTOR_TERMINALS)
    yield from (f"{name}.{SUPPLY_TERMINAL}" for name in bench.supplies)


def _identities(bench: Bench) -> Iterator[tuple[str, str, object]]:
    """What must be there once on a bench: its kind, where it stands, what it is."""
    for device in bench.devices.values():
        place = f"devices.{device.name}"
        yield "EUI-64", f"{place}.eui", eui64.text(device.eui)
        for name, pin in device.pins.items():
            yield "GPIO of the node", f"{place}.pins.{name}.gpio", f"{device.node} {pin.gpio}"
        for name, port in device.ports.items():
            inner = f"{place}.ports.{name}"
            if port.driver.startswith("xbee"):
                for key, url, radio in (("", port.url, port.radio), ("scan_", port.scan_url, port.scan_radio)):
                    if url or not key:
                        yield "URL", f"{inner}.{key}url", url
                        yield "EUI-64", f"{inner}.{key}radio", eui64.text(radio) if radio else ""
    for instrument in bench.instruments.values():
        yield "address", f"instruments.{instrument.name}.address", f"{instrument.url} {instrument.address:#04x}"


def _check_unique(where: str, identities: Iterator[tuple[str, str, object]]) -> None:
    seen: dict[tuple[str, object], str] = {}
    for kind, place, value in identities:
        if not value:
            raise BenchFileError(f"{where}.{place}", f"the {kind} of a radio module", "nothing")
        other = seen.setdefault((kind, value), place)
        if other != place:
            raise BenchFileError(f"{where}.{place}", f"an own {kind} (not that of {other})", value)
