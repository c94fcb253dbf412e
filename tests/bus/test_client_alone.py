"""The client without a broker: what it asks of the library, and what it makes of what the library tells."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from rig.bus.client import Address, BusClient, ClientSettings, Counters, Inbox, Incoming, Tls
from rig.bus.errors import AccessRefused, BadTopic, BadUrl, BrokerGone, BusError, NotConnected

ADVICE = "Expected mqtt://user:password@host:port or mqtts://host:port."
URL = "mqtt://127.0.0.1:1"


class Reason:
    """A reason code of the library."""

    def __init__(self, failed: bool) -> None:
        self.is_failure = failed

    def __str__(self) -> str:
        return "Not authorized"


class Message:
    def __init__(self, topic: str, payload: bytes = b"x", retain: bool = False) -> None:
        self.topic, self.payload, self.retain = topic, bytearray(payload), retain


class Library:
    """Notes what the client asks of it, and gives each request the number 7."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def subscribe(self, patterns: list[tuple[str, int]]) -> tuple[int, int]:
        self.asked.append(patterns)
        return 0, 7


def said(problem: pytest.ExceptionInfo[BusError]) -> tuple[str, str, str]:
    return problem.value.where, problem.value.problem, problem.value.advice


def test_what_a_client_does_by_default() -> None:
    told = ClientSettings()
    assert (told.keepalive_s, told.reconnect_first_s, told.reconnect_most_s) == (5, 0.1, 2.0)
    assert (told.inflight, told.outgoing_limit, told.subscribe_qos) == (200, 20_000, 1)
    assert Counters() == Counters(0, 0, 0, 0, 0, 0)
    inbox = Inbox()
    assert (inbox.limit, inbox.dropped, inbox.get(-1.0), inbox.get(0.0)) == (50_000, 0, None, None)
    assert Tls() == Tls(None, None, None)


def test_how_the_library_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    init = paho.Client.__init__

    def note(self: paho.Client, *args: Any, **more: Any) -> None:
        made.append((args[1:], more))
        init(self, *args, **more)

    monkeypatch.setattr(paho.Client, "__init__", note)
    settings = ClientSettings(reconnect_first_s=0.3, reconnect_most_s=3.0, inflight=5, outgoing_limit=6)
    client = BusClient("mqtt://rig:se%40cret@127.0.0.1:9", "speaks", settings=settings)
    library: Any = client._paho
    assert made == [((client.client_id,), {"clean_session": True, "protocol": paho.MQTTv311})]
    assert (library._reconnect_min_delay, library._reconnect_max_delay) == (0.3, 3.0)
    assert (library._max_inflight_messages, library._max_queued_messages) == (5, 6)
    assert library.suppress_exceptions is True
    assert (library._username, library._password) == (b"rig", b"se@cret")
    assert not library._ssl
    client.set_will("a/b", b"lost")
    assert (library._will_topic, library._will_payload) == (b"a/b", b"lost")
    assert (library._will_qos, library._will_retain) == (1, True)
    client.set_will("a/b", b"lost", retain=False)
    assert library._will_retain is False
    assert (client.connected, client.counters) == (False, Counters())
    plain: Any = BusClient("mqtts://bench.example", "speaks")._paho
    assert (plain._username, plain._ssl) == (None, True)
    client.close()
    with pytest.raises(NotConnected) as caught:
        _ = client._paho
    assert said(caught) == ("mqtt://127.0.0.1:9", "the client is closed", "")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mqtt://u:secret@h/x", "'mqtt://h/x' is no MQTT address"),
        ("mqtt://h?x=1", "'mqtt://h' is no MQTT address"),
        ("mqtt:///", "'mqtt:///' is no MQTT address"),
        ("http://h", "'http://h' is no MQTT address"),
        ("mqtt://h:99999", "Port out of range 0-65535"),
    ],
)
def test_a_bad_address_in_full(url: str, problem: str) -> None:
    with pytest.raises(BadUrl) as caught:
        Address.parse(url, allow_plain=True)
    assert said(caught) == ("broker address", problem, ADVICE)


@pytest.mark.parametrize(
    ("host", "near"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("b.example", False)],
)
def test_what_is_this_machine(host: str, near: bool) -> None:
    assert Address(host, 1883, False).loopback is near
    assert str(Address(host, 1883, False, "u", "p")) == f"mqtt://{host}:1883"
    assert str(Address(host, 8883, True)) == f"mqtts://{host}:8883"


def test_plain_mqtt_over_a_network_says_what_to_do() -> None:
    with pytest.raises(BadUrl) as caught:
        BusClient("mqtt://10.0.0.1", "x")
    assert said(caught) == (
        "mqtt://10.0.0.1:1883",
        "would send commands and passwords in the clear over a network",
        "Use mqtts://, or allow plain MQTT for this bench explicitly.",
    )
    assert BusClient("mqtt://10.0.0.1", "x", allow_plain=True).address.host == "10.0.0.1"


def test_the_files_of_a_whole_bench(tmp_path: Path) -> None:
    names = ("ca.pem", "robot.crt", "robot.key")
    for name in names:
        with pytest.raises(BadUrl) as caught:
            Tls.of_folder(tmp_path, "robot")
        assert said(caught) == (f"TLS files in {tmp_path}", f"there is no {name}", "Put it there, in PEM.")
        (tmp_path / name).write_text("x", encoding="utf-8")
    key = tmp_path / "robot.key"
    for mode in (0o640, 0o604, 0o610, 0o601):
        key.chmod(mode)
        with pytest.raises(BadUrl) as caught:
            Tls.of_folder(tmp_path, "robot")
        assert said(caught) == (
            f"TLS files in {tmp_path}",
            "others may read robot.key",
            f"Do: chmod 600 {key}",
        )
    key.chmod(0o600)
    found = Tls.of_folder(tmp_path, "robot")
    assert found == Tls(*(tmp_path / name for name in names))
    with pytest.raises(BadUrl) as caught:
        found.context()
    where, _, advice = said(caught)
    assert where == f"TLS files {', '.join(str(tmp_path / name) for name in names)}"
    assert advice == "Give PEM files that this user may read."


def test_it_is_up_when_the_broker_has_taken_its_subscriptions() -> None:
    links: list[bool] = []
    client, library = BusClient(URL, "x"), Library()
    client.on_link = links.append
    for pattern in ("a/#", "b", "a/#"):
        client.subscribe(pattern, lambda _incoming: None)
    client._on_connect(library, None, None, Reason(False), None)  # type: ignore[arg-type]
    assert library.asked == [[("a/#", 1), ("b", 1)]]
    assert (client.connected, client.counters.connections) == (False, 1)
    client._on_subscribe(library, None, 6, [Reason(True)], None)  # type: ignore[arg-type]
    assert (client.connected, links) == (False, []), "of another request"
    client._on_subscribe(library, None, 7, [Reason(False), Reason(False)], None)  # type: ignore[arg-type]
    assert (client.connected, links) == (True, [True])
    client._on_disconnect(library, None, None, Reason(True), None)  # type: ignore[arg-type]
    client._on_disconnect(library, None, None, Reason(True), None)  # type: ignore[arg-type]
    assert (client.connected, links, client._failure) == (False, [True, False], "connection lost (Not authorized)")


def test_without_a_subscription_it_is_up_at_once() -> None:
    client, library = BusClient(URL, "x"), Library()
    client._on_connect(library, None, None, Reason(False), None)  # type: ignore[arg-type]
    assert (client.connected, library.asked) == (True, [])


@pytest.mark.parametrize("at_subscribing", [False, True])
def test_who_is_refused_is_not_up_and_hears_why(at_subscribing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    client, library, links = BusClient(URL, "x"), Library(), list[bool]()
    client.on_link = links.append
    client.subscribe("a", lambda _incoming: None)
    if at_subscribing:
        client._on_connect(library, None, None, Reason(False), None)  # type: ignore[arg-type]
        client._on_subscribe(library, None, 7, [Reason(False), Reason(True)], None)  # type: ignore[arg-type]
    else:
        client._on_connect(library, None, None, Reason(True), None)  # type: ignore[arg-type]
    client._on_disconnect(library, None, None, Reason(True), None)  # type: ignore[arg-type]
    assert (client.connected, links) == (False, [])
    monkeypatch.setattr(client._paho, "connect_async", lambda *told: library.asked.append(told))
    monkeypatch.setattr(client._paho, "loop_start", lambda: None)
    with pytest.raises(AccessRefused) as caught:
        client.connect(0.0)
    why = "a subscription was refused" if at_subscribing else "connection refused (Not authorized)"
    assert said(caught) == (URL, why, "Check user, password or certificate of this client.")
    assert library.asked[-1] == ("127.0.0.1", 1, 5)
    with pytest.raises(NotConnected) as again:
        client.connect()
    assert said(again) == (URL, "the client is closed", "Make a new one.")


def test_a_broker_that_does_not_answer_is_told_with_the_last_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    client = BusClient(URL, "x")
    monkeypatch.setattr(client._paho, "connect_async", lambda *_told: None)
    monkeypatch.setattr(client._paho, "loop_start", lambda: None)
    with pytest.raises(BrokerGone) as caught:
        client.connect(0.01)
    assert said(caught) == (URL, "no connection in 0.01 s (no connection yet)", "Is the broker running?")


@pytest.mark.parametrize(
    ("problem", "told"),
    [(ConnectionRefusedError(111, "refused"), "nothing listens there"), (OSError("no route"), "no route")],
)
def test_a_connection_that_fails_is_told_in_words(problem: OSError, told: str) -> None:
    client = BusClient(URL, "x")
    try:
        raise problem
    except OSError:
        client._on_connect_fail(client._paho, None)
    assert client._failure == told


def test_speaking_out_of_turn_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    client = BusClient(URL, "x")
    with pytest.raises(NotConnected) as caught:
        client.publish("a", b"")
    assert said(caught) == (URL, "the client is new", "")
    monkeypatch.setattr(client, "_state", "open")
    with pytest.raises(NotConnected) as caught:
        client.subscribe("a", lambda _incoming: None)
    assert said(caught) == (URL, "subscriptions are made before the connection", "")
    with pytest.raises(NotConnected) as caught:
        client.set_will("a", b"")
    assert said(caught) == (URL, "the last will is made before the connection", "")
    with pytest.raises(BadTopic) as bad:
        client.publish("x/#" + "y" * 300, b"")
    assert bad.value.where == ("x/#" + "y" * 300)[:200]


def test_a_message_goes_to_every_sink_that_asked_for_it_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[int, Incoming]] = []
    client = BusClient(URL, "x", drop=lambda topic: topic == "a/drop")

    def broken(_incoming: Incoming) -> None:
        raise ValueError("a bug")

    client.subscribe("a/+", lambda one: heard.append((1, one)))
    client.subscribe("a/b", broken)
    client.subscribe("a/b", lambda one: heard.append((3, one)))
    with caplog.at_level(logging.CRITICAL):
        for message in (Message("a/b", b"1", True), Message("a/c", b"2"), Message("c", b"3"), Message("a/drop")):
            client._on_message(client._paho, None, message)  # type: ignore[arg-type]
    kept, fresh = Incoming("a/b", b"1", True), Incoming("a/c", b"2", False)
    assert heard == [(1, kept), (3, kept), (1, fresh)]
    assert client.counters == Counters(received=4, unasked=1, dropped_by_hook=1, sink_errors=1)


def test_whoever_wants_to_know_of_the_link_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    client = BusClient(URL, "x")

    def broken(_up: bool) -> None:
        raise ValueError("a bug")

    client.on_link = broken
    with caplog.at_level(logging.CRITICAL):
        client._up()
    assert (client.connected, client.counters.sink_errors) == (True, 1)


def test_delays_are_each_message_s_own_and_end_with_the_client() -> None:
    done, heard, delays = threading.Event(), list[str](), iter([30.0, 0.0])
    client = BusClient(URL, "x", jitter=lambda: next(delays))

    def sink(incoming: Incoming) -> None:
        heard.append(incoming.topic)
        done.set()

    client.subscribe("#", sink)
    for topic in ("late", "soon"):
        client._on_message(client._paho, None, Message(topic))  # type: ignore[arg-type]
    assert done.wait(5.0)
    client.close()
    assert heard == ["soon"]
    assert client._delayer is None
