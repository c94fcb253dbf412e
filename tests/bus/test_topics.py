"""The topic tree as facts/mqtt.md 5 has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.bus import topics
from rig.bus.errors import BadTopic


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (topics.presence("b1", "esme"), "rig/1/b1/esme/state/presence"),
        (topics.caps("b1", "esme"), "rig/1/b1/esme/state/caps"),
        (topics.channel("b1", "esme", "gpio", "aux_no"), "rig/1/b1/esme/state/ch/gpio/aux_no"),
        (topics.command("b1", "esme", "relay.drive"), "rig/1/b1/esme/cmd/relay.drive"),
        (topics.commands("b1", "esme"), "rig/1/b1/esme/cmd/#"),
        (topics.answer("b1", "esme", "robot", "a1"), "rig/1/b1/esme/re/robot/a1"),
        (topics.answers("b1", "robot"), "rig/1/b1/+/re/robot/+"),
        (topics.event("b1", "esme", "gbcs.tx"), "rig/1/b1/esme/evt/gbcs.tx"),
        (topics.events("b1"), "rig/1/b1/+/evt/#"),
        (topics.evidence("b1", "esme", "r1", "ether.pcap"), "rig/1/b1/esme/evd/r1/ether.pcap"),
        (topics.evidence("b1", "esme", "r1", "ether.pcap", 3), "rig/1/b1/esme/evd/r1/ether.pcap/3"),
        (topics.lease("b1"), "rig/1/b1/_ctl/lease"),
    ],
)
def test_tree(made: str, expected: str) -> None:
    assert made == expected


@pytest.mark.parametrize("bad", ["", "A", "a/b", "a+", "#", "-a", "a-", "a b", "ä", "a\n", "a" * 65])
def test_names_that_no_topic_can_carry(bad: str) -> None:
    with pytest.raises(BadTopic, match=r"Use a-z"):
        topics.presence(bad, "n")
    with pytest.raises(BadTopic, match=r"Use a-z"):
        topics.presence("b", bad)
    with pytest.raises(BadTopic, match=r"Use a-z"):
        topics.lease(bad)


@pytest.mark.parametrize("bad", ["", "a/b", "+", "#", "$sys", "a b", "a\x00", "../x"])
def test_verbs_that_no_topic_can_carry(bad: str) -> None:
    with pytest.raises(BadTopic):
        topics.command("b", "n", bad)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+/c", "a/b/c", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("#", "$SYS/a", False),
        ("+/a", "$SYS/a", False),
        ("a/b/#", "a/c/d", False),
    ],
)
def test_filters(pattern: str, topic: str, expected: bool) -> None:
    assert topics.matches(pattern, topic) is expected


def test_the_node_of_a_topic() -> None:
    assert topics.node_of("b1", topics.event("b1", "esme", "edge")) == "esme"
    for foreign in ("rig/1/b2/esme/evt/edge", "rig/2/b1/esme/evt/edge", topics.lease("b1"), "", "rig/1/b1"):
        with pytest.raises(BadTopic):
            topics.node_of("b1", foreign)


@given(st.text(max_size=40))
def test_any_text_is_a_topic_of_ours_or_a_bad_one(text: str) -> None:
    try:
        assert text.startswith(f"rig/1/b/{topics.node_of('b', text)}/")
    except BadTopic:
        assert len(text) < 41
