"""Bench files: read to the last key, and whatever is wrong is said in one sentence with its place."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import eui64
from rig.node import bench_file, takes
from rig.node.bench_file import Bench, BenchFileError, Contactor, Device, Instrument, Node, Pin, Port, Supply, Wire
from rig.share import folder
from tests.examples import examples

BENCHES = sorted((folder("wiring") / "benches").glob("*.yaml"))
VIRTUAL = folder("wiring") / "benches" / "virtual.yaml"


def document(path: Path = VIRTUAL) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return value


def parsed(value: object) -> Bench:
    return bench_file.from_value(value, "test.yaml")


def variants() -> Iterator[tuple[Path, str]]:
    for path in BENCHES:
        told = document(path)
        extended = document(path.with_name(f"{told['extends']}.yaml")) if "extends" in told else {}
        for name in ("", *extended.get("variants", {}), *told.get("variants", {})):
            yield path, name


# ------------------------------------------------------------------------------------------------------ what is shipped


@pytest.mark.parametrize(("path", "variant"), list(variants()), ids=lambda value: value.stem if value is Path else None)
def test_every_shipped_bench_file_loads_with_each_of_its_variants(path: Path, variant: str) -> None:
    bench = bench_file.load(path, variant=variant)
    assert bench.name == path.stem
    assert bench.devices
    assert bench.source == str(path)


def test_what_the_virtual_bench_says_is_what_is_read() -> None:
    bench = bench_file.load(VIRTUAL)
    told = document()
    assert bench.seed == told["seed"]
    assert bench.civil_start == 1_591_002_000 * 1_000_000_000  # 2020-06-01T09:00:00Z
    assert set(bench.devices) == set(told["devices"])
    esme = bench.devices["esme"]
    assert eui64.text(esme.eui) == told["devices"]["esme"]["eui"]
    assert esme.install_code.hex().upper() == told["devices"]["esme"]["install_code"]
    assert esme.pins["contactor_set"] == bench_file.Pin(16, "output")
    assert esme.behind == "hub"
    assert bench.contactors["main"].bounce_ms == (0.5, 0.4)
    assert bench.instruments["load"].address == 0x45
    assert bench.wires[0] == bench_file.Wire("esme.GPIO16", "main.set")


def test_how_long_a_device_takes_is_declared_or_a_default_that_says_its_basis() -> None:
    value = document()
    value["devices"]["esme"]["takes"] = {"boot": "1.5 h", "contact": "250 ms", "rejoin": "2 minutes"}
    value["longest_test"] = "1 day"
    bench = parsed(value)
    takes = bench.devices["esme"].takes
    assert [takes[name].ns for name in ("boot", "contact", "rejoin")] == [5400 * 10**9, 250 * 10**6, 120 * 10**9]
    assert takes["boot"].basis == "declared in the bench file: esme.takes.boot"
    assert "facts/dcc.md" in takes["answer"].basis
    assert takes["display"].basis == "our default"
    assert bench.longest_test == 86_400 * 10**9
    assert parsed(document()).longest_test == 1800 * 10**9


# -------------------------------------------------------------------------------------------------- mutated bench files

Place = tuple[str | int, ...]
SPOILT: list[Any] = [
    None,
    True,
    -1,
    7,
    1e400,
    float("nan"),
    10**400,
    "",
    "x",
    "2020-13-45",
    [],
    [None],
    {},
    {"x": {}},
    b"\0",
]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*at, key)
        yield from places(item, (*at, key))


def inside(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


WHOLE = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in BENCHES}
PLACES = [(path, place) for path, value in WHOLE.items() for place in places(value)]


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_a_key_less_is_a_bench_or_a_bench_file_error(path: Path) -> None:
    """Every place of the file, one after the other: without it, and without its value."""
    for _, place in (entry for entry in PLACES if entry[0] == path):
        value = copy.deepcopy(WHOLE[path])
        del inside(value, place[:-1])[place[-1]]
        judge(value, path)


@settings(max_examples=examples(60), deadline=None)
@given(entry=st.sampled_from(PLACES), spoilt=st.sampled_from(SPOILT), seed=st.integers(0, 2**32))
def test_any_mutated_bench_file_is_a_bench_or_a_bench_file_error(
    entry: tuple[Path, Place], spoilt: Any, seed: int
) -> None:
    path, place = entry
    value = copy.deepcopy(WHOLE[path])
    rng = Random(seed)
    inside(value, place[:-1])[place[-1]] = spoilt
    for _ in range(rng.randrange(3)):  # and perhaps another, anywhere in what is left
        left = list(places(value))
        other = rng.choice(left)
        inside(value, other[:-1])[other[-1]] = copy.deepcopy(rng.choice(SPOILT))
    judge(value, path)


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_an_unknown_key_is_refused_by_its_name_wherever_it_stands(path: Path) -> None:
    # Mappings whose keys are names, or judged by whoever uses them.
    free = {"settings", "variants", "parties", "capabilities", "nodes", "devices", "supplies", "contactors"}
    free |= {"instruments", "ports", "pins", "air"}
    for _, place in [(path, ()), *(entry for entry in PLACES if entry[0] == path)]:
        value = copy.deepcopy(WHOLE[path])
        section = inside(value, place)
        if not isinstance(section, dict) or (place and place[-1] in free) or {"settings", "variants"} & set(place):
            continue
        section["colour"] = "green"
        with pytest.raises(BenchFileError) as caught:
            bench_file.from_value(value, str(path))
        assert "colour" in str(caught.value), place


def judge(value: object, path: Path) -> None:
    """The only two outcomes there may be; an error has its place, is one short line, and says what to do."""
    for variant in ("", "published-enabled"):
        try:
            bench = bench_file.from_value(value, str(path), variant=variant)
        except BenchFileError as caught:
            problem = caught
        else:
            assert isinstance(bench, Bench)
            continue
        assert problem.where.startswith(str(path))
        assert "expected " in str(problem)
        assert ", got " in str(problem)
        assert "\n" not in str(problem)
        assert len(str(problem)) < 2000


@settings(max_examples=examples(60))
@given(text=st.text(alphabet="ab:{}[]&*!<>|-#%@`'\"\n 01.~?", max_size=40))
def test_any_text_is_a_bench_or_a_bench_file_error(text: str) -> None:
    with pytest.raises(BenchFileError, match=r"^test\.yaml"):
        bench_file.parse(text, "test.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "when: 2020-13-45T00:00:00Z", "n: 0x_", "b: !!bool maybe", "t: !!timestamp soon", "a: &a [*a]", "[" * 1500,
        "{a: 1, a: 2}", "? [1]\n: 2", "n: " + "9" * 5000, "a: !!python/object:os.system {}", "\x00", "a: !!float x",
    ],
)  # fmt: skip
def test_yaml_that_its_own_library_stumbles_over_is_a_bench_file_error(text: str) -> None:
    with pytest.raises(BenchFileError, match=r"^test\.yaml"):
        bench_file.parse(text, "test.yaml")


def test_aliases_that_stand_for_gigabytes_make_a_short_error() -> None:
    laughs = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 60))
    with pytest.raises(BenchFileError) as caught:
        bench_file.parse(laughs + "rig: *a59\n", "test.yaml")
    assert len(str(caught.value)) < 1000


# ------------------------------------------------------------------------------------------------------ what errors say


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("rig",), 2, "rig: expected version 1 of the bench file format"),
        (("name",), None, "name: expected a text, got None"),
        (("name",), "two words", "name: expected a name of a-z, 0-9 and inner hyphens, at most 64, got 'two words'"),
        (("nodes", "Head_1"), {}, "nodes: expected a name of a-z, 0-9"),
        (("civil_start",), "soon", "civil_start: expected a UTC instant such as 2020-06-01T09:00:00Z, got 'soon'"),
        (("devices", "esme", "eui"), "00-DB", "devices.esme.eui: expected an EUI-64 such as"),
        (
            ("devices", "esme", "eui"),
            "00-DB-12-34-56-78-90-A2",
            "devices.esme.eui: expected an own EUI-64 (not that of devices.hub.eui), got '00-DB-12-34-56-78-90-A2'",
        ),
        (("longest_test",), "soon", "longest_test: expected a span of time above 0 such as 90 s, 2 min, 1.5 h or 1 d"),
        (("devices", "esme", "takes"), {"boot": "0 s"}, "devices.esme.takes.boot: expected a span of time above 0"),
        (("devices", "esme", "takes"), {"boot": 90}, "devices.esme.takes.boot: expected a span of time above 0"),
        (("devices", "esme", "takes"), {"tea": "5 min"}, "devices.esme.takes.tea: expected one of boot, join, "),
        (("devices", "esme", "node"), "emse", "devices.esme.node: expected the name of a node (bench, head, "),
        (("devices", "esme", "behind"), "hbu", "devices.esme.behind: expected the name of a hub (hub, "),
        (
            ("devices", "esme", "install_code"),
            "83FED3",
            "devices.esme.install_code: expected 16 octets in hexadecimal (in quotes), got '83FED3'",
        ),
        (
            ("devices", "esme", "pins", "a", "gpio"),
            27,
            "devices.esme.pins.b.gpio: expected an own GPIO of the node (not that of devices.esme.pins.a.gpio)",
        ),
        (
            ("devices", "esme", "pins", "a", "gpio"),
            28,
            "devices.esme.pins.a.gpio: expected a whole number from 0 to 27, got 28",
        ),
        (
            ("devices", "esme", "pins", "a", "gpio"),
            True,
            "devices.esme.pins.a.gpio: expected a whole number from 0 to 27, got True",
        ),
        (
            ("devices", "esme", "pins", "a", "kind"),
            "knob",
            "devices.esme.pins.a.kind: expected one of output, input, button, power, got 'knob'",
        ),
        (
            ("devices", "hub", "ports", "han", "radio"),
            "00-13-A2-00-41-00-01-A2",
            "devices.neighbour.ports.han.radio: expected an own EUI-64 (not that of devices.hub.ports.han.radio)",
        ),
        (
            ("devices", "hub", "ports", "han"),
            {"driver": "xbee", "url": "virtual://x"},
            "devices.hub.ports.han.radio: expected the EUI-64 of a radio module, got 'nothing'",
        ),
        (
            ("devices", "hub", "ports", "han", "url"),
            "virtual://esme-zigbee",
            "devices.esme.ports.han.url: expected an own URL (not that of devices.hub.ports.han.url)",
        ),
        (("supplies", "mains", "upstream"), "hub_supply", "upstream: expected supplies that end at a source"),
        (("supplies", "mains", "volts"), -24, "supplies.mains.volts: expected a number from 0, got -24"),
        (("supplies", "mains", "volts"), "24 V", "supplies.mains.volts: expected a number from 0, got '24 V'"),
        (
            ("contactors", "main", "bounce_ms"),
            [0.5, "x"],
            "contactors.main.bounce_ms[1]: expected a number from 0, got 'x'",
        ),
        (
            ("contactors", "main", "supply"),
            "main",
            "contactors.main.supply: expected the name of a virtual supply (mains, hub_supply, next_door, gas), got",
        ),
        (("contactors", "main", "closed"), "yes", "contactors.main.closed: expected true or false, got 'yes'"),
        (
            ("instruments", "load", "address"),
            0x80,
            "instruments.load.address: expected a whole number from 3 to 119, got 128",
        ),
        (
            ("parties", "supplier"),
            "nobody",
            "parties.supplier: expected the name of a device that is a party (supplier, ",
        ),
        (("trust", "domian"), "rig", "trust: expected only domain, folder, ledgers, stores, got 'domian'"),
        (
            ("wires", 0),
            ["esme.GPIO16"],
            "wires[0]: expected two terminals such as [esme.GPIO16, main.set], got ['esme.GPIO16']",
        ),
        (
            ("devices", "hub", "ports", "han", "endpoint"),
            220,
            "devices.hub.ports.han.endpoint: expected a whole number from 1 to 219, got 220",
        ),
        (("wires", 0), ["esme.GPIO61", "main.set"], "wires[0]: expected the name of a terminal ("),
        (
            ("extends",),
            "nothing",
            "extends: expected a path from this file's folder, or the name of a shipped bench, got 'nothing'",
        ),
        (("variants",), [], "variants: expected a mapping, got []"),
        (("instruments", "load", "shunt_ohm"), 0, "instruments.load.shunt_ohm: expected a number above 0, got 0"),
        (("contactors", "main", "load_ohm"), 0, "contactors.main.load_ohm: expected a number above 0, got 0"),
        (("civil_start",), "1960-01-01T00:00:00Z", "civil_start: expected a year from 1970 to 2105, got '1960-"),
        (("parties", "supplier"), "esme", "parties.supplier: expected the name of a device that is a party ("),
        (("devices", "esme", "behind"), "supplier", "devices.esme.behind: expected the name of a hub ("),
        (("trust", "ledgers"), 5, "trust.ledgers: expected a text, got 5"),
        (("capabilities",), [{}], "capabilities[0]: expected one of radio-reach, outage, "),
        (("capabilities",), ["fly"], "capabilities[0]: expected one of radio-reach, outage, "),
        (("wires", 0), ["main.set", "main.set"], "wires[0]: expected two terminals, got 'main.set'"),
    ],
)
def test_an_error_says_the_place_what_was_expected_and_what_it_got(place: Place, value: Any, said: str) -> None:
    told = document()
    inside(told, place[:-1])[place[-1]] = value
    with pytest.raises(BenchFileError) as caught:
        parsed(told)
    assert str(caught.value).startswith("test.yaml.")
    assert said in str(caught.value)
    assert str(caught.value).endswith("; correct the bench file there")


def test_a_contactor_of_the_virtual_world_needs_a_supply_of_it() -> None:
    told = document()
    told["supplies"]["mains"] = {"node": "bench", "driver": "switched", "output": 5, "instrument": "load"}
    del told["supplies"]["hub_supply"]["upstream"]
    with pytest.raises(BenchFileError, match=r"contactors\.main\.supply: expected the name of a virtual supply \(hub_"):
        parsed(told)


def test_two_devices_of_one_name_do_not_silently_become_one() -> None:
    text = VIRTUAL.read_text(encoding="utf-8").replace("\n  other_supplier:\n", "\n  supplier:\n")
    with pytest.raises(BenchFileError, match=r"valid YAML, got .the key .+supplier.+ stands twice"):
        bench_file.parse(text, "test.yaml")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchFileError, match="expected a readable bench file, got"):
        bench_file.load(tmp_path / name)


def test_octets_that_are_no_text_are_no_bench_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchFileError, match="expected a readable bench file"):
        bench_file.load(path)


# ------------------------------------------------------------------------------------------ variants, overlays, extends


def test_a_variant_changes_key_by_key_and_leaves_the_rest() -> None:
    plain, changed = bench_file.load(VIRTUAL), bench_file.load(VIRTUAL, variant="published-enabled")
    assert changed.trust == {"domain": "published"}
    assert changed.contactors["main"].closed
    assert changed.contactors["main"].load_ohm == plain.contactors["main"].load_ohm
    assert changed.devices["esme"].settings["supply"] == "enabled"
    assert changed.devices["esme"].ports == plain.devices["esme"].ports
    assert changed.devices["hub"] == plain.devices["hub"]


def test_an_overlay_lies_over_the_variant() -> None:
    overlay = {"devices": {"esme": {"fault": "accepts-replays", "settings": {"supply": "armed"}}}}
    bench = bench_file.load(VIRTUAL, overlay, "published-enabled")
    assert bench.devices["esme"].fault == "accepts-replays"
    assert bench.devices["esme"].settings["supply"] == "armed"
    assert bench.devices["esme"].settings["commands"] == {"replay": {"initial": {"supplier": 0}}}
    assert bench.trust == {"domain": "published"}


def test_an_unknown_variant_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        BenchFileError, match=r"expected one of .*published-disabled, published-enabled, got 'published'"
    ):
        bench_file.load(VIRTUAL, variant="published")


def test_a_bench_file_may_change_values_of_another(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(VIRTUAL.read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text("extends: base\nname: mine\ndevices: {esme: {settings: {supply: armed}}}\n", encoding="utf-8")
    bench = bench_file.load(path)
    assert (bench.name, bench.source) == ("mine", str(path))
    assert bench.devices["esme"].settings == {"supply": "armed"}
    assert set(bench.devices) == set(document()["devices"])


TREES = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(under=TREES, over=TREES)
def test_merging_takes_every_key_of_both_and_the_value_of_the_upper_where_both_have_it(under: Any, over: Any) -> None:
    before = copy.deepcopy((under, over))
    result = bench_file.merged(under, over)
    assert (under, over) == before
    if isinstance(under, dict) and isinstance(over, dict):
        assert set(result) == set(under) | set(over)
        for key in result:
            expected = (
                bench_file.merged(under[key], over[key]) if key in under and key in over else {**under, **over}[key]
            )
            assert result[key] == expected
    else:
        assert result == over


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("0.5", 0.5), ("accepts-replays", "accepts-replays"), ("true", True), ("null", None), ("0x_", "0x_"),
     ("[1, 2]", [1, 2]), ("{", "{"), ("", None), ("2020-13-45T00:00:00Z", "2020-13-45T00:00:00Z")],
)  # fmt: skip
def test_a_single_value_reads_as_in_a_file_and_anything_else_is_a_text(text: str, value: Any) -> None:
    assert bench_file.value_of(text) == value


SECOND = (Path(__file__).parent / "second_premises.yaml").read_text(encoding="utf-8")


def second(text: str = SECOND) -> bench_file.Bench:
    return bench_file.parse(text, str(VIRTUAL.with_name("second.yaml")))


def test_a_second_premises_is_added_by_name() -> None:
    under, bench = bench_file.load(VIRTUAL), second()
    assert {*bench.devices} == {*under.devices, "esme2"}
    assert set(under.wires) < set(bench.wires)
    assert len(bench.wires) == len(under.wires) + 4
    assert bench_file.Wire("esme2.GPIO23", "next_door.ok") in bench.wires
    assert [name for name in under.capabilities if name != "display"] == list(bench.capabilities)


def test_a_wire_is_replaced_and_taken_off_by_name() -> None:
    more = "  ihd.GPIO23: next_door.ok\n  gpf.GPIO23: hub_supply.ok\n  gsme.GPIO21: null\n"
    bench = second(SECOND.replace("capabilities:", f"{more}capabilities:"))
    at = {wire.a: wire.b for wire in bench.wires}
    assert at["ihd.GPIO23"] == "next_door.ok"
    assert "gsme.GPIO21" not in at


def test_a_list_takes_the_place_of_the_list_below_it() -> None:
    bench = second(SECOND.replace("capabilities: {display: false}", "capabilities: [outage]"))
    assert bench.capabilities == ("outage",)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (
            "  esme2.GPIO23: next_door.ok\n",
            "",
            "devices.esme2.pins.mains_ok: expected a wire from esme2.GPIO23 to a su",
        ),
        (
            "driver: xbee,",
            "driver: xbee, raido: x,",
            "devices.esme2.ports.han.raido: expected only known keys here (radio,",
        ),
        ("{display: false}", "{dispaly: false}", "capabilities.dispaly: expected one of "),
        ("{display: false}", "{display: no way}", "capabilities.display: expected true or false"),
        ("esme2.GPIO16: main2.set", "esme2.GPIO16: 5", "wires.esme2.GPIO16: expected two terminals such as"),
        ("esme2.GPIO16: main2.set", "esme2.GPIO16: main9.set", "expected the name of a terminal ("),
        ("node: esme2\n", "node: esme2\n    fualt: x\n", "esme2.fualt: expected only known keys here (fault,"),
    ],
)
def test_a_slip_is_refused_at_its_own_place(was: str, becomes: str, said: str) -> None:
    assert was in SECOND
    with pytest.raises(BenchFileError) as caught:
        second(SECOND.replace(was, becomes))
    assert said in str(caught.value)


# ---------------------------------------------------------------------------------------------- read to the last value

LEAST = """
rig: 1
name: small
civil_start: 2020-06-01T00:00:00
nodes: {pi: null}
devices:
  meter: {kind: esme, node: pi, eui: 00-DB-12-34-56-78-90-A0, ports: {han: {driver: line}}}
  hub: {kind: comms_hub, node: pi, eui: 00-DB-12-34-56-78-90-A1}
supplies: {mains: {node: pi}}
contactors: {main: {supply: mains, instrument: load}}
instruments: {load: {node: pi, url: "virtual://load", address: 0x40, shunt_ohm: 0.01}}
"""
MOST = """
rig: 1
name: all-there-is
seed: 7
civil_start: "1970-01-01T01:00:01+01:00"
clock: real
broker: mqtts://bench.example
tls: certificates
trust: {domain: published, folder: keys, ledgers: l, stores: s}
parties: {supplier: someone}
air: {loss: 0.1}
longest_test: 2 h
decision_rule: guard-band
nodes: {pi: {gpio: lgpio}, other: {gpio: none}}
capabilities: {outage: true, radio-reach: false}
devices:
  someone: {kind: supplier, node: other, eui: 00-DB-12-34-56-78-90-A2}
  hub: {kind: comms_hub, node: other, eui: 00-DB-12-34-56-78-90-A1}
  meter:
    kind: esme
    node: pi
    eui: 00-DB-12-34-56-78-90-A0
    behind: hub
    fault: accepts-replays
    under_test: true
    install_code: "83FED3407A939723A5C639B26916D505"
    settings: {supply: armed}
    takes: {boot: 90 s}
    ports:
      han: {driver: xbee, url: a, radio: 00-13-A2-00-41-00-01-A0, scan_url: b, scan_radio: 00-13-A2-00-41-00-01-A1,
            endpoint: 219}
      second: {driver: line, url: c, endpoint: 1}
    pins:
      power: {gpio: 0, kind: power}
      lever: {gpio: 27, kind: button}
supplies:
  mains: {node: pi, driver: switched, volts: 230, output: 27, instrument: load}
  inner: {node: other, volts: 12, upstream: within}
  within: {node: pi}
contactors:
  main: {supply: within, instrument: load, operate_ms: 1, release_ms: 2, bounce_ms: [0, 3], load_ohm: 4, closed: true,
         fault: welded}
instruments:
  load: {node: pi, driver: ina226, url: i2c, address: 0x77, shunt_ohm: 0.1, calibrated_until: 2027-03-31}
wires: [[pi.GPIO0, within.ok], [main.set, main.reset], [main.aux_no, main.aux_nc]]
"""
ESME = takes.DEFAULTS["esme"]


def eui(last: int) -> bytes:
    return bytes.fromhex("00DB1234567890") + bytes([last])


def test_a_bench_that_says_the_least_has_the_default_of_everything_else() -> None:
    assert bench_file.parse(LEAST, "small.yaml") == Bench(
        name="small",
        source="small.yaml",
        seed=1,
        civil_start=1_590_969_600 * 10**9,
        clock="virtual",
        broker="embedded",
        tls=None,
        trust={},
        parties={},
        air={},
        nodes={"pi": Node("pi", "virtual")},
        devices={
            "meter": Device(
                "meter", "esme", "pi", eui(0xA0), {"han": Port("line", "", b"", "", b"", 1)}, {}, {}, None, None, b"",
                ESME, False, {},
            ),
            "hub": Device(
                "hub", "comms_hub", "pi", eui(0xA1), {}, {}, {}, None, None, b"", takes.DEFAULTS["comms_hub"], False, {}
            ),
        },
        supplies={"mains": Supply("mains", "pi", "virtual", 24.0, None, None, None)},
        contactors={"main": Contactor("main", "mains", "load", 8.0, 4.0, (), 115.2, False, None)},
        instruments={"load": Instrument("load", "pi", "ina226", "virtual://load", 0x40, 0.01, None)},
        wires=(),
        capabilities=(),
        longest_test=1800 * 10**9,
        decision_rule="none declared",
        tolerated=(),
    )  # fmt: skip
    assert bench_file.parse(LEAST.replace("driver: line", "driver: line, endpoint: 5"), "x").devices["meter"].ports[
        "han"
    ] == Port("line", endpoint=5)
    assert Port("line").endpoint == 1


def test_a_bench_that_says_everything_is_read_to_the_last_value() -> None:
    radio = bytes.fromhex("0013A200410001A0"), bytes.fromhex("0013A200410001A1")
    bench = bench_file.parse(MOST, "most.yaml")
    assert bench == Bench(
        name="all-there-is",
        source="most.yaml",
        seed=7,
        civil_start=10**9,
        clock="real",
        broker="mqtts://bench.example",
        tls=Path("certificates"),
        trust={"domain": "published", "folder": "keys", "ledgers": "l", "stores": "s"},
        parties={"supplier": "someone"},
        air={"loss": 0.1},
        nodes={"pi": Node("pi", "lgpio"), "other": Node("other", "none")},
        devices={
            "someone": Device(
                "someone", "supplier", "other", eui(0xA2), {}, {}, {}, None, None, b"", takes.times_of("supplier", {})
            ),
            "hub": Device(
                "hub", "comms_hub", "other", eui(0xA1), {}, {}, {}, None, None, b"", takes.DEFAULTS["comms_hub"]
            ),
            "meter": Device(
                name="meter",
                kind="esme",
                node="pi",
                eui=eui(0xA0),
                ports={"han": Port("xbee", "a", radio[0], "b", radio[1], 219), "second": Port("line", "c")},
                pins={"power": Pin(0, "power"), "lever": Pin(27, "button")},
                settings={"supply": "armed"},
                fault="accepts-replays",
                behind="hub",
                install_code=bytes.fromhex("83FED3407A939723A5C639B26916D505"),
                takes={**ESME, "boot": takes.Time(90 * 10**9, "declared in the bench file: meter.takes.boot", True)},
                under_test=True,
                declared={},
            ),
        },
        supplies={
            "mains": Supply("mains", "pi", "switched", 230.0, 27, "load", None),
            "inner": Supply("inner", "other", "virtual", 12.0, None, None, "within"),
            "within": Supply("within", "pi", "virtual", 24.0, None, None, None),
        },
        contactors={"main": Contactor("main", "within", "load", 1.0, 2.0, (0.0, 3.0), 4.0, True, "welded")},
        instruments={"load": Instrument("load", "pi", "ina226", "i2c", 0x77, 0.1, date(2027, 3, 31))},
        wires=(Wire("pi.GPIO0", "within.ok"), Wire("main.set", "main.reset"), Wire("main.aux_no", "main.aux_nc")),
        capabilities=("outage",),
        longest_test=7200 * 10**9,
        decision_rule="guard-band",
        tolerated=(),
    )


@pytest.mark.parametrize(
    ("was", "becomes", "paced"),
    [("", "", True), ("driver: line", "driver: none", False), ("name:", "clock: real\nname:", True)],
)
def test_time_passes_by_itself_on_a_real_clock_and_where_a_program_outside_takes_part(
    was: str, becomes: str, paced: bool
) -> None:
    assert bench_file.parse(LEAST.replace(was, becomes, 1), "x").paced is paced
    assert bench_file.parse(MOST.replace("driver: line", "driver: none"), "x").paced


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("rig: 1", "", "rig: expected a whole number, got 'nothing'"),
        ("rig: 1", "rig: true", "rig: expected a whole number, got True"),
        ("name: all-there-is", "name: all-there-is\nclock: sun", "valid YAML"),
        ("clock: real", "clock: sun", "clock: expected one of virtual, real, got 'sun'"),
        ("1970-01-01T01:00:01+01:00", "2106-01-01", "civil_start: expected a year from 1970 to 2105, got '2106-01-01'"),
        ("mqtts://bench", "mqtt://bench", "tls: expected it with a broker at an mqtts:// address alone, got 'cert"),
        ("tls: certificates", "tls: 5", "tls: expected a text, got 5"),
        ("radio-reach: false", "5: true", "capabilities.5: expected one of "),
        ("{outage: true, radio-reach: false}", "[outage, fly]", "capabilities[1]: expected one of "),
        ("{gpio: lgpio}", "{gpio: pins}", "nodes.pi.gpio: expected one of virtual, lgpio, none, got 'pins'"),
        ("gpio: none", "gpio: none, more: 1", "nodes.other.more: expected only known keys here (gpio), got 'more'"),
        ("endpoint: 219", "endpoint: 220", "ports.han.endpoint: expected a whole number from 1 to 219, got 220"),
        ("endpoint: 1}", "endpoint: 0}", "ports.second.endpoint: expected a whole number from 1 to 219, got 0"),
        ("gpio: 27", "gpio: 28", "pins.lever.gpio: expected a whole number from 0 to 27, got 28"),
        ("output: 27", "output: 28", "supplies.mains.output: expected a whole number from 0 to 27, got 28"),
        ("address: 0x77", "address: 0x78", "load.address: expected a whole number from 3 to 119, got 120"),
        ("address: 0x77", "address: 0x02", "load.address: expected a whole number from 3 to 119, got 2"),
        ("driver: ina226", "driver: ina", "instruments.load.driver: expected one of ina226, got 'ina'"),
        ("driver: switched", "driver: wind", "supplies.mains.driver: expected one of virtual, switched, got 'wind'"),
        ("volts: 230", "volts: true", "supplies.mains.volts: expected a number from 0, got True"),
        ("volts: 230", "volts: .inf", "supplies.mains.volts: expected a number from 0, got inf"),
        ("operate_ms: 1", "operate_ms: -1", "contactors.main.operate_ms: expected a number from 0, got -1"),
        ("release_ms: 2", "release_ms: x", "contactors.main.release_ms: expected a number from 0, got 'x'"),
        ("url: i2c", "url: 5", "instruments.load.url: expected a text, got 5"),
        ("fault: welded", "fault: 5", "contactors.main.fault: expected a text, got 5"),
        ("supply: within", "supply: inn", "supply: expected the name of a virtual supply (inner, within), got 'inn'"),
        ("instrument: load, op", "instrument: l, op", "contactors.main.instrument: expected the name of a instrument"),
        ("node: pi, driver: ina", "node: p, driver: ina", "instruments.load.node: expected the name of a node (pi, ot"),
        ("mains: {node: pi", "mains: {node: p", "supplies.mains.node: expected the name of a node (pi, other), got 'p"),
        ("upstream: within", "upstream: wind", "supplies.inner.upstream: expected the name of a supply (inner, within"),
        ("upstream: within", "upstream: mains", "inner.upstream: expected the name of a supply (inner, within), got '"),
        ("upstream: within", "upstream: inner", "supplies.inner.upstream: expected supplies that end at a source, got"),
        ("output: 27", "upstream: wind", "supplies.mains.upstream: expected the name of a supply (mains, inner, withi"),
        ("behind: hub", "behind: someone", "devices.meter.behind: expected the name of a hub (hub), got 'someone'"),
        ("supplier: someone", "supplier: hub", "supplier: expected the name of a device that is a party (someone), go"),
        ("[main.set, main.reset]", "[main.set, 5]", "wires[1]: expected two terminals such as [esme.GPIO16, main.set]"),
        ("[main.set, main.reset]", "[main.set, main]", "wires[1]: expected two terminals such as [esme.GPIO16, main.s"),
        ("[main.set, main.reset]", "a.b", "wires[1]: expected two terminals such as [esme.GPIO16, main.set], got 'a.b"),
        ("[main.set, main.reset]", "[main.set, main.set]", "wires[1]: expected two terminals, got 'main.set'"),
        ("[main.set, main.reset]", "[main.set, main.on]", "wires[1]: expected the name of a terminal (pi.GPIO0, pi.GP"),
        ("scan_radio: 00-13-A2-00-41-00-01-A1,", "", "ports.han.scan_radio: expected the EUI-64 of a radio module, go"),
        ("url: a, ", "", "ports.han.url: expected the URL of a radio module, got 'nothing'"),
        ("scan_url: b", "scan_url: a", "ports.han.scan_url: expected an own URL (not that of devices.meter.ports.han."),
        ("01-A1", "01-A0", "han.scan_radio: expected an own EUI-64 (not that of devices.meter.ports.han.radio), got '"),
        ("kind: power", "kind: power, more: 1", "pins.power.more: expected only known keys here (gpio, kind), got 'mo"),
        ("trust: {", "trust: {more: x, ", "trust: expected only domain, folder, ledgers, stores, got 'more'"),
        ("air: {loss", "wether: 1\nair: {loss", "most.yaml.wether: expected only known keys here (rig, name, seed, "),
        ("kind: supplier, node: other,", "kind: supplier, ", "devices.someone.node: expected a text, got 'nothing'"),
        ("90-A2}", "90-A}", "devices.someone.eui: expected an EUI-64 such as 00-DB-12-34-56-78-90-A0, got '00-DB-12-3"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_one_place_is_told_there(was: str, becomes: str, said: str) -> None:
    assert was in MOST
    with pytest.raises(BenchFileError) as caught:
        bench_file.parse(MOST.replace(was, becomes, 1), "most.yaml")
    assert said in str(caught.value)
    assert caught.value.where.startswith("most.yaml")


def test_a_key_that_was_never_given_is_known_all_the_same() -> None:
    """A slip in an optional key shows the one that was meant."""
    with pytest.raises(BenchFileError, match=r"raido: expected only known keys here \(radio, driver, url, scan_url,"):
        bench_file.parse(LEAST.replace("driver: line", "driver: line, raido: x"), "x")
    with pytest.raises(BenchFileError, match=r"insturment: expected only known keys here \(instrument, node, "):
        bench_file.parse(LEAST.replace("{mains: {node: pi}}", "{mains: {node: pi, insturment: x}}"), "x")
    known = "ports, pins, kind, node, eui, settings, fault, behind, install_code, takes, under_test, declared"
    with pytest.raises(BenchFileError, match=rf"xyz: expected only known keys here \({known}\)"):
        bench_file.parse(LEAST.replace("comms_hub, node", "comms_hub, xyz: 1, node"), "x")


def test_a_long_error_is_cut() -> None:
    with pytest.raises(BenchFileError) as caught:
        bench_file.parse(LEAST.replace("name: small", f"name: {'x' * 5000}"), "x")
    assert 600 < len(str(caught.value)) < 800


@pytest.mark.parametrize("gpio", ["virtual", "lgpio"])
def test_a_virtual_device_needs_a_wire_that_tells_its_power_and_a_real_one_has_it(gpio: str) -> None:
    text = LEAST.replace("pi: null", f"pi: {{gpio: {gpio}}}").replace(
        "ports: {han: {driver: line}}", "pins: {live: {gpio: 4, kind: power}}"
    )
    if gpio == "lgpio":
        assert bench_file.parse(text, "x").devices["meter"].pins == {"live": Pin(4, "power")}
        return
    with pytest.raises(BenchFileError) as caught:
        bench_file.parse(text, "x")
    said = "x.devices.meter.pins.live: expected a wire from pi.GPIO4 to a supply (mains.ok), got 'no wire there'"
    assert said in str(caught.value)
    for a, b in itertools.permutations(("pi.GPIO4", "mains.ok")):
        assert bench_file.parse(f"{text}wires: [[{a}, {b}]]", "x").wires == (Wire(a, b),)


@pytest.mark.parametrize(
    ("under", "over", "wires"),
    [
        ("[[a.b, c.d], [e.f, g.h]]", {"a.b": "x.y"}, {"a.b": "x.y", "e.f": "g.h"}),
        ("[[a.b, c.d], [a.b, g.h]]", {"e.f": "x.y"}, {"e.f": "x.y"}),
        ("[[a.b, c.d], [5, g.h]]", {"e.f": "x.y"}, {"e.f": "x.y"}),
        ("[[a.b, c.d], [e.f]]", {"e.f": "x.y"}, {"e.f": "x.y"}),
        ("[[a.b, c.d], ef]", {"e.f": "x.y"}, {"e.f": "x.y"}),
        ("[[a.b, c.d]]", [["e.f", "x.y"]], [["e.f", "x.y"]]),
        ("{a.b: c.d}", {"e.f": "x.y"}, {"a.b": "c.d", "e.f": "x.y"}),
    ],
)
def test_wires_that_the_first_terminal_does_not_name_are_replaced_as_a_whole(under: str, over: Any, wires: Any) -> None:
    assert bench_file.merged({"wires": yaml.safe_load(under)}, {"wires": over}) == {"wires": wires}


def test_other_lists_have_no_names() -> None:
    assert bench_file.merged({"bounce_ms": [1]}, {"bounce_ms": {"a": 2}}) == {"bounce_ms": {"a": 2}}
    assert bench_file.merged({"capabilities": ["a", 5]}, {"capabilities": {"b": True}}) == {
        "capabilities": {"a": True, "5": True, "b": True}
    }
    assert bench_file.merged({"a": 1}, 5) == 5
    assert bench_file.merged(5, {"a": 1}) == {"a": 1}


def test_the_effective_file_has_all_that_a_run_uses_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("rig: 1\nname: café\nair: {a: 1, b: 2}\n", encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text("extends: base.yaml\nair: {b: 3}\nzeal: é\n", encoding="utf-8")
    assert bench_file.effective(path, {"air": {"b": 4}}) == "rig: 1\nname: café\nair:\n  a: 1\n  b: 4\nzeal: é\n"
    assert bench_file.effective(path) == "rig: 1\nname: café\nair:\n  a: 1\n  b: 3\nzeal: é\n"


def test_what_can_be_extended_and_what_cannot(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"

    def mine(extends: str) -> Bench:
        path.write_text(f"extends: {extends}\nname: mine\n", encoding="utf-8")
        return bench_file.load(path)

    assert mine("virtual").name == "mine", "a shipped one, by its name"
    for name, octets, said in (
        ("a.yaml", b"{", "extends: expected a readable bench file, got"),
        ("b.yaml", b"\xff", "extends: expected a readable bench file, got"),
        ("c.yaml", b"extends: virtual", "extends: expected a bench file that does not extend another, got 'c.yaml'"),
        ("d.yaml", b"5", "d.yaml"),
    ):
        (tmp_path / name).write_bytes(octets)
        if name == "d.yaml":
            continue
        with pytest.raises(BenchFileError) as caught:
            mine(name)
        assert f"{path}.{said}" in str(caught.value)
    with pytest.raises(BenchFileError, match=r"mine\.yaml\.variants: expected one of none is defined, got 'x'"):
        bench_file.from_value({"rig": 1}, str(path), variant="x")
    with pytest.raises(BenchFileError, match=r"^x: expected a mapping, got 5"):
        bench_file.from_value(5, "x")


# --------------------------------------------------------------------------------------------------- how long it takes

S = 10**9
ON_DEMAND = takes.Time(60 * S, "our default, after facts/dcc.md 16 row 3: a response is waited for 60 s on demand")
HAN = {
    "boot": takes.Time(120 * S, "our default"),
    "join": takes.Time(300 * S),
    "rejoin": takes.Time(300 * S),
    "answer": ON_DEMAND,
    "alert": takes.Time(300 * S),
    "display": takes.Time(60 * S),
}


def test_how_long_each_kind_takes_where_nobody_says() -> None:
    narrow = {"boot": takes.Time(120 * S), "answer": ON_DEMAND, "alert": takes.Time(300 * S)}
    asleep = takes.Time(1800 * S, "our default, after facts/field.md: gas meters wake every 30 min")
    told = {kind: takes.times_of(kind, {}) for kind in (*takes.DEFAULTS, "ppmid")}
    assert told == {
        "comms_hub": narrow,
        "gpf": narrow,
        "esme": {**HAN, "contact": takes.Time(10 * S)},
        "gsme": {**HAN, "wake": asleep, "valve": takes.Time(10 * S), "check": takes.Time(600 * S)},
        "hht": {"scan": takes.Time(10 * S), "connect": takes.Time(15 * S), "answer": ON_DEMAND},
        "access_control_broker": {"answer": takes.Time(5 * S)},
        "ppmid": HAN,
    }
    assert takes.Time(5).as_json() == {"ns": 5, "basis": "our default", "declared": False}


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("250 ms", 250_000_000), ("1 millisecond", 1_000_000), ("2 milliseconds", 2_000_000),
        ("3 s", 3 * S), ("1 sec", S), ("1 secs", S), ("1 second", S), ("1.5 seconds", 1_500_000_000),
        ("2 min", 120 * S), ("1 minute", 60 * S), ("1 Minutes", 60 * S),
        ("1 h", 3600 * S), ("2 hours", 7200 * S), ("1 hour", 3600 * S), ("1 d", 86_400 * S), ("2 days", 172_800 * S),
        (" 1   s ", S), ("0.000001 ms", 1),
        ("4611686018427387904 s", None), ("0 s", None), ("-1 s", None), ("1", None),
        ("s", None), ("1 week", None), ("1e400 s", None), ("nan s", None), ("1 s s", None), (None, None),
        ("1e300 d", None),
    ],
)  # fmt: skip
def test_spans_of_time(text: object, ns: int | None) -> None:
    if ns is not None:
        assert takes.span(text, "here") == ns
        return
    with pytest.raises(BenchFileError) as caught:
        takes.span(text, "here")
    assert str(caught.value) == (
        "here: expected a span of time above 0 such as 90 s, 2 min, 1.5 h or 1 d, "
        f"got {text!r}; correct the bench file there"
    )
