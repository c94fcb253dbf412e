"""Charts: an arrow for what was sent and received, a cross for what was lost, nothing that is not on the time line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.evidence import chart
from rig.evidence.chart import Ends
from rig.evidence.crossings import crossings
from tests.examples import examples

SVG = "{http://www.w3.org/2000/svg}"
EUI = {"esme": "00db1234567890a0", "hub": "00db1234567890a2", "supplier": "90b3d51f30010000"}
EUI |= {"dut": "00db1234567890c0", "broker": "90b3d51f30000002"}
NAMES = {eui: name for name, eui in EUI.items()}
ENDS = Ends(NAMES, behind={"esme": "hub", "dut": "hub"}, untapped={"dut": ["line"], "esme": []})


def tx(device: str, to: str, octets: str = "df01", at: int = 0, port: str = "wan") -> dict[str, Any]:
    return event(
        "gbcs.tx",
        device,
        at,
        port=port,
        peer=EUI.get(to, ""),
        octets=octets,
        use_case="ECS43",
        cra="command",
        counter=7,
    )


def rx(device: str, octets: str = "df01", at: int = 0, port: str = "wan", peer: str = "") -> dict[str, Any]:
    return event("gbcs.rx", device, at, port=port, octets=octets, peer=EUI.get(peer, ""))


def event(kind: str, device: str, at: int, **fields: Any) -> dict[str, Any]:
    return {"order": at, "at_ns": at, "node": "n", "kind": kind, "fields": {**fields, "device": device}}


class Drawing:
    """A chart as a reader sees it."""

    def __init__(self, events: list[dict[str, Any]], title: str = "A test", ends: Ends = ENDS) -> None:
        self.text = chart.draw(title, events, ends)
        self.root = ElementTree.fromstring(self.text)
        self.texts = ["".join(node.itertext()) for node in self.root.iter(f"{SVG}text")]
        heads = [n for n in self.root.iter(f"{SVG}text") if n.get("class") == "h" and n.get("text-anchor") == "middle"]
        self.columns = {node.get("x"): node.text or "" for node in heads}

    def lines(self, css: str) -> list[tuple[str, str]]:
        """Lines of a class by the lifelines at which they begin and end (a position where there is none)."""
        found = [node for node in self.root.iter(f"{SVG}line") if node.get("class") == css]
        return [tuple(self.columns.get(node.get(end), str(node.get(end))) for end in ("x1", "x2")) for node in found]  # type: ignore[misc]

    @property
    def arrows(self) -> list[tuple[str, str]]:
        return self.lines("a")

    @property
    def unseen(self) -> list[tuple[str, str]]:
        return self.lines("u")

    @property
    def lost(self) -> list[str]:
        return [start for start, _ in self.lines("x")]


def test_nothing_happened_draws_an_empty_chart() -> None:
    drawing = Drawing([])
    assert (drawing.columns, drawing.arrows, drawing.lost) == ({}, [], [])
    assert "A test" in drawing.texts


def test_what_was_sent_and_received_is_an_arrow_between_the_two_with_its_delay() -> None:
    drawing = Drawing([tx("supplier", "hub", at=1_000_000), rx("hub", at=3_500_000)])
    assert drawing.arrows == [("supplier", "hub")]
    assert drawing.lost == []
    assert "ECS43 command #7 (2 octets), 2.5 ms" in drawing.texts
    assert "0.001000" in drawing.texts


def test_what_nobody_received_ends_in_a_cross() -> None:
    drawing = Drawing([tx("supplier", "hub")])
    assert drawing.arrows == []
    assert drawing.lost == ["supplier"]
    assert any("✕ not received" in text for text in drawing.texts)
    assert set(drawing.columns.values()) == {"supplier", "hub"}


def test_a_message_to_somebody_who_is_not_of_this_bench_is_not_called_lost() -> None:
    drawing = Drawing([tx("supplier", "nobody")])
    assert drawing.lost == []
    assert len(drawing.unseen) == 1
    assert any("not tapped beyond here" in text for text in drawing.texts)
    assert list(drawing.columns.values()) == ["supplier"]


@pytest.mark.parametrize(
    ("events", "arrows", "lost", "unseen"),
    [
        pytest.param([tx("broker", "dut")], [], [], [("broker", "dut")], id="to a device whose inside nobody sees"),
        pytest.param([tx("broker", "esme")], [], ["broker"], [], id="to a device behind a tapped hub"),
        pytest.param(
            [tx("dut", "broker", port="line"), rx("broker", peer="dut")], [("dut", "broker")], [], [], id="off its line"
        ),
        pytest.param([rx("broker", peer="dut")], [], [], [("dut", "broker")], id="from a port that nobody taps"),
        pytest.param([rx("hub", port="interpan")], [], [], [("hub", None)], id="from a stranger"),
        pytest.param([tx("hub", "dut", port="han")], [], ["hub"], [], id="by its radio, which is tapped"),
    ],
)
def test_where_nobody_taps_nothing_is_denied(
    events: list[dict[str, Any]], arrows: list[tuple[str, str]], lost: list[str], unseen: list[tuple[str, str | None]]
) -> None:
    drawing = Drawing(events)
    assert drawing.arrows == arrows
    assert drawing.lost == lost
    assert [(start, end if end in EUI else None) for start, end in drawing.unseen] == unseen


def test_who_received_first_is_told_by_the_sender_where_octets_are_the_same() -> None:
    """Two hubs that pass the same octets on: each arrow begins at the one whom its receiver heard."""
    events = [
        tx("hub", "esme", port="han"),
        tx("broker", "dut", port="han"),
        rx("dut", port="han", peer="broker"),
        rx("esme", port="han", peer="hub"),
    ]
    assert Drawing(events).arrows == [("hub", "esme"), ("broker", "dut")]


def test_the_same_octets_by_two_links_are_two_messages() -> None:
    """A local copy goes to the user, the same octets go by the WAN a while later: each arrives by its own link."""
    events = [
        {**tx("broker", "supplier"), "fields": {**tx("broker", "supplier")["fields"], "link": "gateway supplier"}},
        {**rx("supplier"), "fields": {**rx("supplier")["fields"], "link": "gateway supplier"}},
        {**tx("broker", "esme"), "fields": {**tx("broker", "esme")["fields"], "link": "wan hub"}},
        {**rx("hub", peer="broker"), "fields": {**rx("hub", peer="broker")["fields"], "link": "wan hub"}},
    ]
    assert Drawing(events).arrows == [("broker", "supplier"), ("broker", "hub")]
    for event in events:
        del event["fields"]["link"]
    assert Drawing(events).arrows == [("broker", "supplier"), ("broker", "hub")]


def test_a_legend_says_what_each_kind_of_arrow_means_and_no_more() -> None:
    texts = Drawing([tx("supplier", "hub"), tx("broker", "dut"), tx("hub", "esme", "df05"), rx("esme", "df05")]).texts
    legend = [text for text in texts if text.startswith("message ")]
    assert len(legend) == 3
    assert not [text for text in Drawing([]).texts if text.startswith("message ")]


def test_a_device_whose_inside_nobody_sees_has_a_lifeline_that_says_so() -> None:
    drawing = Drawing([tx("broker", "dut"), tx("dut", "broker", "df02", port="line"), rx("broker", "df02", peer="dut")])
    assert [start for start, _ in drawing.lines("d")] == ["dut"]
    assert [start for start, _ in drawing.lines("l")] == ["broker"]
    assert "device whose inside nobody sees" in drawing.texts
    assert "device whose inside nobody sees" not in Drawing([tx("supplier", "hub")]).texts


def test_a_long_time_line_is_drawn_in_time() -> None:
    """Ten thousand messages of the same octets, all late: matching looks at each a few times at most."""
    count = 10_000
    sent = [tx("broker", "hub", at=at) for at in range(count)]
    events = [*sent, *(rx("hub", at=count + at, peer="broker") for at in range(count))]
    looked = Counter[str]()

    class Watched(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            looked[key] += 1
            return super().__getitem__(key)

    found = crossings([Watched(event) for event in events], ENDS)
    assert len(found) == count
    assert looked["fields"] <= 10 * count


DESCRIBED: dict[str, dict[str, Any]] = {
    "hub": {"eui": EUI["hub"], "behind": None},
    "dut": {"eui": EUI["dut"], "behind": "hub", "untapped": ["line"]},
    "esme": {"eui": EUI["esme"], "behind": "hub", "untapped": []},
}


def test_a_bench_says_who_its_devices_are_where_they_stand_and_what_nobody_taps() -> None:
    assert Ends.described(DESCRIBED) == Ends(
        {EUI[name]: name for name in DESCRIBED},
        {"dut": "hub", "esme": "hub"},
        {"hub": (), "dut": ["line"], "esme": []},
    )


@pytest.mark.parametrize(
    ("sender", "port", "to", "receiver"),
    [
        pytest.param("broker", "wan", "esme", "hub", id="to a meter by way of its hub"),
        pytest.param("broker", "wan", "hub", "hub", id="to the hub itself"),
        pytest.param("hub", "wan", "esme", "esme", id="by its hub"),
        pytest.param("broker", "han", "esme", "esme", id="by radio"),
        pytest.param("hht", "interpan", "esme", "esme", id="by inter-PAN"),
        pytest.param("broker", "wan", "dut", "dut", id="to one with a line of its own"),
        pytest.param("broker", "wan", "nobody", None, id="to a stranger"),
    ],
)
def test_a_message_comes_first_to_the_hub_or_to_whoever_has_a_line(
    sender: str, port: str, to: str, receiver: str | None
) -> None:
    assert Ends.described(DESCRIBED).receiver(sender, port, EUI.get(to, "")) == receiver


@pytest.mark.parametrize(
    ("device", "port", "listens"),
    [
        ("esme", "wan", True), ("dut", "wan", False), ("dut", "line", False), ("dut", "han", True),
        ("radio", "han", False), ("radio", "interpan", True), ("radio", "wan", True), (None, "wan", False),
        ("whole", "han", False), ("whole", "wan", False), ("whole", "interpan", True),
    ],
)  # fmt: skip
def test_somebody_listens_where_no_port_on_the_same_kind_of_link_is_untapped(
    device: str | None, port: str, *, listens: bool
) -> None:
    ends = Ends(untapped={"esme": [], "dut": ["line"], "radio": ["han"], "whole": ["han", "line"]})
    assert ends.listens(device, port) is listens


@pytest.mark.parametrize(
    ("events", "found"),
    [
        pytest.param([tx("broker", "hub", at=3), rx("hub", at=9)], {0: ("broker", "hub", "RECEIVED", 6)}, id="arrived"),
        pytest.param([tx("broker", "esme", at=3)], {0: ("broker", "hub", "NOT_RECEIVED", 0)}, id="lost at the hub"),
        pytest.param([tx("broker", "dut", at=3)], {0: ("broker", "dut", "NOT_TAPPED", 0)}, id="nobody knows"),
        pytest.param([tx("broker", "nobody")], {0: ("broker", None, "NOT_TAPPED", 0)}, id="to a stranger"),
        pytest.param([rx("hub", peer="broker")], {0: ("broker", "hub", "FROM_OUTSIDE", 0)}, id="nobody saw it leave"),
        pytest.param([rx("hub")], {0: (None, "hub", "FROM_OUTSIDE", 0)}, id="from nobody"),
        pytest.param([rx("hub", peer="hub")], {0: (None, "hub", "FROM_OUTSIDE", 0)}, id="its own address is no sender"),
        pytest.param(
            [rx("hub", peer="broker", at=1), tx("broker", "hub", at=2), rx("hub", peer="broker", at=3)],
            {0: ("broker", "hub", "FROM_OUTSIDE", 0), 1: ("broker", "hub", "RECEIVED", 1)},
            id="one before it left, one after",
        ),
        pytest.param(
            [tx("broker", "hub", at=2), rx("broker", at=3), rx("broker", at=4), rx("hub", at=5)],
            {0: ("broker", "hub", "RECEIVED", 3), 1: (None, "broker", "FROM_OUTSIDE", 0),
             2: (None, "broker", "FROM_OUTSIDE", 0)},
            id="not what the sender itself received",
        ),
        pytest.param(
            [tx("broker", "hub", at=2), rx("broker", at=3)],
            {0: ("broker", "hub", "NOT_RECEIVED", 0), 1: (None, "broker", "FROM_OUTSIDE", 0)},
            id="and nothing else",
        ),
        pytest.param(
            [tx("broker", "hub"), rx("hub", peer="broker", at=5), rx("esme", at=6)],
            {0: ("broker", "hub", "RECEIVED", 5), 2: (None, "esme", "FROM_OUTSIDE", 0)},
            id="of the sender, though somebody has it from nobody later",
        ),
        pytest.param(
            [tx("broker", "hub"), rx("esme", at=5), rx("hub", peer="broker", at=6)],
            {0: ("broker", "esme", "RECEIVED", 5), 2: ("broker", "hub", "FROM_OUTSIDE", 0)},
            id="from nobody, though the sender's own came later",
        ),
    ],
)  # fmt: skip
def test_what_became_of_each_message(
    events: list[dict[str, Any]], found: dict[int, tuple[str | None, str | None, str, int]]
) -> None:
    told = crossings(events, ENDS)
    assert {at: (one.source, one.target, one.fate.name, one.took_ns) for at, one in told.items()} == found
    assert all(one.event is events[at] for at, one in told.items())


@pytest.mark.parametrize(
    ("events", "arrows", "lost"),
    [
        pytest.param([rx("hub"), tx("supplier", "hub")], [], ["supplier"], id="received before it was sent"),
        pytest.param([tx("supplier", "hub"), rx("hub", "df02")], [], ["supplier"], id="other octets"),
        pytest.param([tx("hub", "esme"), rx("hub")], [], ["hub"], id="by the sender itself"),
        pytest.param([tx("hub", "esme", port="han"), rx("esme", port="wan")], [], ["hub"], id="on another road"),
        pytest.param([tx("hub", "esme", port="han"), rx("esme", port="han")], [("hub", "esme")], [], id="on its road"),
        pytest.param([rx("hub")], [], [], id="never sent"),
        pytest.param(
            [tx("supplier", "hub"), tx("supplier", "hub"), rx("hub")],
            [("supplier", "hub")],
            ["supplier"],
            id="one of two",
        ),
        pytest.param(
            [tx("supplier", "hub"), rx("hub"), tx("hub", "esme"), rx("esme")],
            [("supplier", "hub"), ("hub", "esme")],
            [],
            id="passed on",
        ),
    ],
)
def test_an_arrow_needs_its_sender_and_its_receiver(
    events: list[dict[str, Any]], arrows: list[tuple[str, str]], lost: list[str]
) -> None:
    drawing = Drawing(events)
    assert drawing.arrows == arrows
    assert drawing.lost == lost


@pytest.mark.parametrize(
    ("told", "words", "css"),
    [
        (event("edge", "esme", 5, pin="aux_no", level=True), "aux_no on", "m"),
        (event("supply.state", "esme", 5, old="ARMED", new="ENABLED", cause="button"), "supply ARMED → ENABLED", "m"),
        (event("refused", "esme", 5, check="REPLAY", reason="replay"), "refused at REPLAY: replay", "r"),
        (event("alert", "esme", 5, code="0x8f35", name="Supply Enabled"), "alert 0x8f35 Supply Enabled", "p"),
        (event("operator", "hub", 5, act="seal broken"), "operator: seal broken", "p"),
        (event("power", "hub", 5, on=False), "power off", "p"),
        (event("power", "hub", 5, on=None), "power unknown", "p"),
        (event("hht.done", "hht", 5, name="ECS44", state=0), "ECS44 0", "p"),
        (event("link", "hub", 5, link="wan", up=False), "link wan off", "p"),
        (event("link", "gsme", 5, link="air", up=True), "link air on", "p"),
        (
            event("zcl.refused", "hub", 5, port="han", cluster="0x0704", command=2, reason="insufficient space"),
            "han: command 2 of cluster 0x0704 refused: insufficient space",
            "r",
        ),
        (event("refused", "esme", 5), "refused at ?: ?", "r"),
    ],
)
def test_marks_stand_at_their_lifeline_in_words(told: dict[str, Any], words: str, css: str) -> None:
    drawing = Drawing([told])
    (circle,) = drawing.root.iter(f"{SVG}circle")
    assert drawing.columns[circle.get("cx")] == told["fields"]["device"]
    assert circle.get("class") == css
    assert words in drawing.texts


def test_events_of_no_interest_leave_no_trace() -> None:
    drawing = Drawing([event("display", "esme", 5, text="on"), event("hub.network", "hub", 5)])
    assert drawing.columns == {}


def test_power_at_the_start_alone_gives_no_lifeline_but_a_cut_does() -> None:
    first = [event("power", "hub", 0, on=True), event("power", "esme", 0, on=True)]
    assert Drawing(first).columns == {}
    assert list(Drawing([*first, event("power", "hub", 9, on=False)]).columns.values()) == ["hub"]
    assert list(Drawing([*first, event("power", "hub", 1, on=False)]).columns.values()) == ["hub"]


def test_windows_of_a_hub_stand_on_the_chart() -> None:
    opened = event("hub.flags", "hub", 0, beaconing=True, interpan=True, cause="power-up", closes_at=9)
    closed = event("hub.flags", "hub", 9, beaconing=False, interpan=False, cause="time-out", closes_at=None)
    assert "joining off, inter-PAN off (time-out)" in Drawing([opened, closed]).texts
    assert Drawing([opened]).columns == {}  # every hub opens them on power-up
    beside = Drawing([opened, event("alert", "hub", 5)])
    assert "joining on, inter-PAN on (power-up)" in beside.texts


def test_lifelines_stand_in_the_order_of_the_house_and_strangers_behind() -> None:
    house = ["supplier", "broker", "head", "hub", "neighbour", "hht", "esme", "gpf", "gsme", "ihd"]
    drawing = Drawing([event("alert", name, 1) for name in ("zebra", "aardvark", *reversed(house))])
    assert list(drawing.columns.values()) == [*house, "aardvark", "zebra"]


HOSTILE = "</text><script>alert('1')</script>&\"<!--]]>"


def test_hostile_names_are_text_and_nothing_else() -> None:
    drawing = Drawing([event("refused", HOSTILE, 5, reason=HOSTILE)], title=HOSTILE)
    assert [node.tag for node in drawing.root.iter() if "script" in node.tag] == []
    assert f"refused at ?: {HOSTILE}" in drawing.texts
    assert HOSTILE in drawing.texts
    assert drawing.root.findtext(f"{SVG}title") == HOSTILE


def test_characters_that_no_xml_may_hold_are_replaced() -> None:
    drawing = Drawing([event("refused", "es\x00me", 5, reason="a\x1b[31m \ud800")], title="\x08")
    assert "refused at ?: a\ufffd[31m \ufffd" in drawing.texts
    assert list(drawing.columns.values()) == ["es\ufffdme"]


WORDS = st.text(max_size=12)


@settings(max_examples=examples(40))
@given(
    title=WORDS,
    told=st.lists(
        st.tuples(
            st.sampled_from(["gbcs.tx", "gbcs.rx", "edge", "refused", "x"]), WORDS, st.integers(0, 10**15), WORDS
        ),
        max_size=6,
    ),
)
def test_whatever_happens_the_chart_is_well_formed_and_has_no_more_rows_than_events(
    title: str, told: list[tuple[str, str, int, str]]
) -> None:
    events = [
        event(kind, device, at, octets=text, reason=text, pin=text, use_case=text) for kind, device, at, text in told
    ]
    drawing = Drawing(events, title)
    marks = len(list(drawing.root.iter(f"{SVG}circle")))
    assert marks + len(drawing.arrows) + len(drawing.lost) + len(drawing.unseen) <= len(events)
    assert drawing.text.encode("utf-8")


SCENE = [
    event("power", "hub", 0, on=True),
    tx("supplier", "hub", at=1_000_000),
    rx("hub", at=3_500_000, peer="supplier"),
    tx("hub", "esme", "df0102", 4_000_000, "han"),
    event("alert", "esme", 5_000_000, code="0x8f35", name="Supply Enabled"),
    tx("broker", "dut", "df05", 1_500_000_000),
    rx("hub", "df06", 2_000_000_000),
]
SHEET = """
title - A test
rect - width=1312 height=452 fill=#fff
text h x=12 y=20 A test
text t x=12 y=50 bench time / s
text h x=232 y=50 text-anchor=middle supplier
line l x1=232 y1=58 x2=232 y2=352
text h x=472 y=50 text-anchor=middle broker
line l x1=472 y1=58 x2=472 y2=352
text h x=712 y=50 text-anchor=middle hub
line l x1=712 y1=58 x2=712 y2=352
text h x=952 y=50 text-anchor=middle esme
line l x1=952 y1=58 x2=952 y2=352
text h x=1192 y=50 text-anchor=middle dut
line d x1=1192 y1=58 x2=1192 y2=352
text t x=12 y=94 0.000000
circle p cx=712 cy=90 r=5
text p x=722 y=94 power on
text t x=12 y=126 0.001000
line a x1=232 y1=122 x2=712 y2=122 marker-end=url(#msc-arrow)
text - x=472 y=114 text-anchor=middle ECS43 command #7 (2 octets), 2.5 ms
text t x=12 y=190 0.004000
line x x1=712 y1=186 x2=832 y2=186
text - x=772 y=178 text-anchor=middle ECS43 command #7 (3 octets) ✕ not received
text t x=12 y=222 0.005000
circle p cx=952 cy=218 r=5
text p x=962 y=222 alert 0x8f35 Supply Enabled
text t x=12 y=254 1.500000
line u x1=472 y1=250 x2=1192 y2=250
text - x=832 y=242 text-anchor=middle ECS43 command #7 (2 octets) ○ not tapped beyond here
text t x=12 y=286 2.000000
line u x1=712 y1=282 x2=832 y2=282
text - x=772 y=274 text-anchor=middle message  #? (2 octets) ○ not tapped where it left
line s x1=12 y1=154 x2=1300 y2=154
text t x=12 y=149 the test begins
text r x=12 y=318 FAIL: expected x
path a d=M12,362 h60 marker-end=url(#msc-arrow)
text t x=84 y=366 message tapped where it left and where it arrived
path x d=M12,380 h60
text t x=84 y=384 message left, and the tap at the receiving end heard nothing
path u d=M12,398 h60
text t x=84 y=402 message left; nobody taps the receiving end
path u d=M12,416 h60
text t x=84 y=420 message arrived; no tap saw it leave
path d d=M12,434 h60
text t x=84 y=438 device whose inside nobody sees
"""


def placed(drawing: str) -> Iterator[str]:
    """Each part of a drawing: what it is, its class, where it stands, what it says."""
    for node in ElementTree.fromstring(drawing):
        if node.tag not in (f"{SVG}style", f"{SVG}defs"):
            where = {key: value for key, value in node.attrib.items() if key != "class"}
            places = (f"{key}={value}" for key, value in where.items())
            said = "".join(node.itertext())
            yield " ".join([node.tag.removeprefix(SVG), node.get("class", "-"), *places, said]).strip()


def test_every_part_of_a_sheet_has_its_place() -> None:
    """Words beside their marks and above their arrows, nothing on top of another, all within the sheet."""
    drawing = chart.draw("A test", SCENE, ENDS, begun=1_000_000, ending="FAIL: expected x")
    assert list(placed(drawing)) == SHEET.strip().splitlines()


def test_the_sheet_is_as_wide_as_its_lifelines_or_as_the_words_of_its_marks() -> None:
    def width(*events: dict[str, Any]) -> str | None:
        return ElementTree.fromstring(chart.draw("A test", events, ENDS)).get("width")

    assert width() == "352"
    assert width(event("operator", "hub", 5, act="x")) == "352"
    assert width(event("operator", "hub", 5, act="x" * 90)) == str(232 + 20 + 660)
    assert (
        width({**tx("supplier", "hub"), "fields": {**tx("supplier", "hub")["fields"], "use_case": "x" * 99}}) == "592"
    )


@pytest.mark.parametrize(("ending", "css"), [("FAIL: x", "r"), ("PASS", "h"), ("OBSERVED: FAIL", "h")])
def test_what_the_test_ended_in_stands_below(ending: str, css: str) -> None:
    parts = list(placed(chart.draw("A test", [], ENDS, ending=ending)))
    assert [part for part in parts if part.endswith(ending)] == [f"text {css} x=12 y=94 {ending}"]
    assert not [part for part in parts if "the test begins" in part or part.startswith("line")]


@pytest.mark.parametrize(("begun", "begins"), [(None, []), (4, []), (5, ["text t x=12 y=117 the test begins"])])
def test_the_test_begins_after_the_last_event_of_its_premises(begun: int | None, begins: list[str]) -> None:
    parts = placed(chart.draw("A test", [event("alert", "esme", 5), event("alert", "esme", 6)], ENDS, begun=begun))
    assert [part for part in parts if "the test begins" in part] == begins


@pytest.mark.parametrize(
    ("took", "words"),
    [(0, "(2 octets)"), (1, "(2 octets), 0.0 ms"), (-5, "(2 octets)"), (2_440_000_000, "(2 octets), 2440.0 ms")],
)
def test_how_long_a_message_took_is_said_where_it_is_known(took: int, words: str) -> None:
    """Two nodes' clocks may tell of an arrival before its departure."""
    drawing = Drawing([tx("supplier", "hub", at=10), rx("hub", at=10 + took)])
    assert f"ECS43 command #7 {words}" in drawing.texts


def test_the_height_takes_every_row() -> None:
    drawing = Drawing([event("alert", "esme", at) for at in range(1, 40)])
    height = int(drawing.root.get("height", "0"))
    ys = [int(node.get("cy", "0")) for node in drawing.root.iter(f"{SVG}circle")]
    assert len(set(ys)) == 39
    assert max(ys) < height
    assert re.search(r'viewBox="0 0 \d+ \d+"', drawing.text)
