"""Bench files: what a bench consists of, read from YAML and checked to the last key.

A bench file names nodes, devices, what is plugged into their ports and pins, and, for a virtual bench, the world around
them.  Real or virtual is chosen here by URL or driver name and nowhere else.

    BenchFileError(ValueError)    where in the file, what was expected, what was found, what to do

Must not live here: building anything from it (``assembly``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from devices.wire import eui64
from devices.wire.errors import WireError

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
    "load",
    "merged",
    "parse",
    "value_of",
]

VERSION = 1
T = TypeVar("T")


class BenchFileError(ValueError):
    """A bench file that cannot be used: the place, what was expected, what was found."""

    def __init__(self, where: str, expected: str, got: object) -> None:
        super().__init__(f"{where}: expected {expected}, got {got!r}; correct the bench file there")
        self.where = where


@dataclass(frozen=True, slots=True)
class Port:
    """What is plugged into one port of a device: a driver name, and what that driver needs."""

    driver: str
    url: str = ""
    radio: bytes = b""
    scan_url: str = ""
    scan_radio: bytes = b""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pin:
    """One GPIO of the device's node, by BCM number.  ``kind``: output, input, button or power."""

    gpio: int
    kind: str


@dataclass(frozen=True, slots=True)
class Device:
    """One device or party.  ``eui`` is its device id; the ids of its radios stand with its ports."""

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


@dataclass(frozen=True, slots=True)
class Supply:
    """A supply of the bench.  ``output`` is the GPIO that switches it (real), ``volts`` its level (virtual),
    ``upstream`` the supply that it hangs on."""

    name: str
    node: str
    driver: str
    volts: float
    output: int | None
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
    """An instrument of a node: an INA226 at an address of an I2C bus, with its shunt."""

    name: str
    node: str
    driver: str
    url: str
    address: int
    shunt_ohm: float


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
    """A whole bench as its file says.  ``civil_start`` is the civil time at bench time 0, in ns since the Unix
    epoch."""

    name: str
    source: str
    seed: int
    civil_start: int
    clock: str
    broker: str
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


class Section:
    """A mapping of the file with its place, from which each key is taken once; what remains is an error."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise BenchFileError(where, "a mapping", value)
        self._left: dict[str, Any] = {str(key): item for key, item in value.items()}
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def at(self, key: str) -> str:
        return f"{self.where}.{key}"

    def take(self, key: str, kind: type[T] | tuple[type[T], ...], what: str, default: T | None = None) -> T:
        if key not in self._left:
            if default is None:
                raise BenchFileError(self.at(key), what, "nothing")
            return default
        value = self._left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BenchFileError(self.at(key), what, value)
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return self.take(key, str, "a text", default)

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise BenchFileError(self.at(key), f"one of {', '.join(choices)}", value)
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        return self.take(key, int, "a whole number", default)

    def number(self, key: str, default: float | None = None) -> float:
        value: float = self.take(key, (int, float), "a number", default)  # type: ignore[arg-type]
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise BenchFileError(self.at(key), "true or false", value)
        return value

    def optional(self, key: str) -> str | None:
        return self.text(key) if self._left.get(key) is not None else self._left.pop(key, None)

    def free(self, key: str) -> dict[str, Any]:
        """A mapping whose keys somebody else judges (settings of a device)."""
        value = self._left.pop(key, None)
        return dict(Section({} if value is None else value, self.at(key))._left)

    def items(self, key: str) -> list[Any]:
        return self.take(key, list, "a list", [])

    def sections(self, key: str) -> Iterator[tuple[str, Section]]:
        value = self._left.pop(key, None)
        for name, item in Section({} if value is None else value, self.at(key))._left.items():
            yield name, Section({} if item is None else item, f"{self.at(key)}.{name}")

    def eui(self, key: str, default: bytes | None = None) -> bytes:
        if key not in self._left and default is not None:
            return default
        text = self.text(key)
        try:
            return eui64.parse(text)
        except (WireError, ValueError):
            raise BenchFileError(self.at(key), "an EUI-64 such as 00-DB-12-34-56-78-90-A0", text) from None

    def octets(self, key: str, length: int) -> bytes:
        """Octets in hexadecimal, exactly ``length`` of them; none where the key is absent."""
        if key not in self:
            return b""
        text = str(self._left.pop(key))
        try:
            value = bytes.fromhex(text)
        except ValueError:
            value = b""
        if len(value) != length:
            raise BenchFileError(self.at(key), f"{length} octets in hexadecimal (in quotes)", text)
        return value

    def done(self) -> None:
        if self._left:
            raise BenchFileError(self.where, "only known keys", sorted(self._left)[0])


def value_of(text: str) -> Any:
    """A single value as it would read in a bench file: a number, a text, true, null."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


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
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as problem:
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise BenchFileError(source, "valid YAML", first) from None
    if isinstance(value, dict) and "extends" in value:
        value = _extended(value, source)
    if isinstance(value, dict):
        variants = Section(value.pop("variants", {}), f"{source}.variants")._left
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
        broker=top.text("broker", "embedded"),
        trust=top.free("trust"),
        parties={role: str(name) for role, name in top.free("parties").items()},
        air=top.free("air"),
        nodes=dict(_each(top, "nodes", _node)),
        devices=dict(_each(top, "devices", _device)),
        supplies=dict(_each(top, "supplies", _supply)),
        contactors=dict(_each(top, "contactors", _contactor)),
        instruments=dict(_each(top, "instruments", _instrument)),
        wires=tuple(_wires(top)),
        capabilities=tuple(str(item) for item in top.items("capabilities")),
    )
    top.done()
    _check_references(bench)
    return bench


def _extended(value: dict[str, Any], source: str) -> Any:
    """A bench file that names another one in ``extends`` (a name beside it) changes values in that."""
    name = value.pop("extends")
    base = Path(source).with_name(f"{name}.yaml")
    try:
        under = yaml.safe_load(base.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BenchFileError(f"{source}.extends", "the name of a bench file beside this one", name) from None
    if isinstance(under, dict) and "extends" in under:
        raise BenchFileError(f"{source}.extends", "a bench file that does not extend another", name)
    return merged(under, value)


def merged(under: Any, over: Any) -> Any:
    """``under`` with the values of ``over`` laid over it; mappings key by key, everything else as a whole."""
    if not (isinstance(under, Mapping) and isinstance(over, Mapping)):
        return over
    return {**under, **{key: merged(under.get(key), item) for key, item in over.items()}}


def _each(top: Section, key: str, build: Callable[[str, Section], T]) -> Iterator[tuple[str, T]]:
    for name, section in top.sections(key):
        built = build(name, section)
        section.done()
        yield name, built


def _instant(top: Section, key: str) -> int:
    value = top.take(key, (str, datetime), "a UTC instant such as 2020-06-01T09:00:00Z")  # type: ignore[arg-type]
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise BenchFileError(top.at(key), "a UTC instant such as 2020-06-01T09:00:00Z", value) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return int(instant.timestamp()) * 1_000_000_000


def _node(name: str, section: Section) -> Node:
    return Node(name, section.choice("gpio", ("virtual", "lgpio", "none"), "virtual"))


PIN_KINDS = ("output", "input", "button", "power")


def _device(name: str, section: Section) -> Device:
    ports = {}
    for port, inner in section.sections("ports"):
        ports[port] = Port(
            driver=inner.text("driver"),
            url=inner.text("url", ""),
            radio=inner.eui("radio", b""),
            scan_url=inner.text("scan_url", ""),
            scan_radio=inner.eui("scan_radio", b""),
            options=inner.free("options"),
        )
        inner.done()
    pins = {}
    for pin, inner in section.sections("pins"):
        pins[pin] = Pin(inner.whole("gpio"), inner.choice("kind", PIN_KINDS))
        inner.done()
    return Device(
        name=name,
        kind=section.text("kind"),
        node=section.text("node"),
        eui=section.eui("eui"),
        ports=ports,
        pins=pins,
        settings=section.free("settings"),
        fault=section.optional("fault"),
        behind=section.optional("behind"),
        install_code=section.octets("install_code", 16),
    )


def _supply(name: str, section: Section) -> Supply:
    return Supply(
        name=name,
        node=section.text("node"),
        driver=section.choice("driver", ("virtual", "switched"), "virtual"),
        volts=section.number("volts", 24.0),
        output=section.whole("output") if "output" in section else None,
        upstream=section.optional("upstream"),
    )


def _contactor(name: str, section: Section) -> Contactor:
    return Contactor(
        name=name,
        supply=section.text("supply"),
        instrument=section.text("instrument"),
        operate_ms=section.number("operate_ms", 8.0),
        release_ms=section.number("release_ms", 4.0),
        bounce_ms=tuple(float(item) for item in section.items("bounce_ms")),
        load_ohm=section.number("load_ohm", 115.2),
        closed=section.flag("closed"),
        fault=section.optional("fault"),
    )


def _instrument(name: str, section: Section) -> Instrument:
    return Instrument(
        name=name,
        node=section.text("node"),
        driver=section.choice("driver", ("ina226",), "ina226"),
        url=section.text("url"),
        address=section.whole("address"),
        shunt_ohm=section.number("shunt_ohm"),
    )


def _wires(top: Section) -> Iterator[Wire]:
    for index, item in enumerate(top.items("wires")):
        if not (isinstance(item, list) and len(item) == 2 and all(isinstance(end, str) and "." in end for end in item)):
            raise BenchFileError(top.at(f"wires[{index}]"), "two terminals such as [esme.GPIO16, main.set]", item)
        yield Wire(*item)


def _check_references(bench: Bench) -> None:
    where = bench.source

    def known(kind: str, name: str, names: Mapping[str, object], place: str) -> None:
        if name not in names:
            raise BenchFileError(
                f"{where}.{place}", f"the name of a {kind} ({', '.join(names) or 'none is defined'})", name
            )

    for role, name in bench.parties.items():
        known("device", name, bench.devices, f"parties.{role}")
    for device in bench.devices.values():
        known("node", device.node, bench.nodes, f"devices.{device.name}.node")
        if device.behind is not None:
            known("device", device.behind, bench.devices, f"devices.{device.name}.behind")
    for supply in bench.supplies.values():
        known("node", supply.node, bench.nodes, f"supplies.{supply.name}.node")
        if supply.upstream is not None:
            known("supply", supply.upstream, bench.supplies, f"supplies.{supply.name}.upstream")
    for instrument in bench.instruments.values():
        known("node", instrument.node, bench.nodes, f"instruments.{instrument.name}.node")
    for contactor in bench.contactors.values():
        known("supply", contactor.supply, bench.supplies, f"contactors.{contactor.name}.supply")
        known("instrument", contactor.instrument, bench.instruments, f"contactors.{contactor.name}.instrument")
    euis: dict[bytes, str] = {}
    for device in bench.devices.values():
        other = euis.setdefault(device.eui, device.name)
        if other != device.name:
            raise BenchFileError(
                f"{where}.devices.{device.name}.eui",
                f"an EUI-64 of its own (not that of {other})",
                eui64.text(device.eui),
            )
