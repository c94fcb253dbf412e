"""The client on both brokers: addresses, delivery, trouble that must not end it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTErrorCode

from rig.bus.client import Address, BusClient, ClientSettings, Inbox, Incoming, Tls
from rig.bus.errors import AccessRefused, BadTopic, BadUrl, BrokerGone, NotConnected
from tests.reserved import reserved_port

Connect = Callable[..., BusClient]


def _socket(client: BusClient) -> socket.socket:
    sock = client._paho.socket()
    assert isinstance(sock, socket.socket)
    return sock


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://127.0.0.1", Address("127.0.0.1", 1883, False)),
        ("mqtt://a:b%40c@localhost:99/", Address("localhost", 99, False, "a", "b@c")),
        ("mqtt://[::1]:7", Address("::1", 7, False)),
        ("mqtts://bench.example", Address("bench.example", 8883, True)),
    ],
)
def test_addresses(url: str, expected: Address) -> None:
    assert Address.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "http://127.0.0.1",
        "mqtt://",
        "mqtt://u:secret@h:99999",
        "mqtt://u:secret@127.0.0.1/x",
        "mqtt://[::1",
    ],
)
def test_bad_addresses_are_told_without_the_password(url: str) -> None:
    with pytest.raises(BadUrl, match="Expected mqtt://") as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


def test_plain_mqtt_over_a_network_must_be_asked_for() -> None:
    with pytest.raises(BadUrl, match="in the clear"):
        Address.parse("mqtt://192.0.2.7")
    assert Address.parse("mqtt://192.0.2.7", allow_plain=True).port == 1883
    assert "secret" not in repr(Address.parse("mqtt://u:secret@127.0.0.1"))


def test_missing_tls_files_are_named() -> None:
    with pytest.raises(BadUrl, match=r"no-such\.pem"):
        Tls(ca=Path("no-such.pem")).context()


def test_messages_arrive_in_order(connect: Connect, bench: str) -> None:
    inbox, ends = Inbox(), connect("b")
    ends.subscribe(f"{bench}/#", inbox.put)
    ends.connect()
    starts = connect("a")
    starts.connect()
    for number in range(300):
        starts.publish(f"{bench}/x", str(number).encode())
    heard = [inbox.get(5.0) for _ in range(300)]
    assert [int(one.payload) for one in heard] == list(range(300))
    assert not any(one.retained for one in heard)


def test_retained_words_and_the_last_will(connect: Connect, bench: str) -> None:
    topic, inbox = f"{bench}/state", Inbox()
    dies = connect("dies")
    dies.set_will(topic, b"lost")
    dies.connect()
    assert dies.publish(topic, b"online", retain=True, wait_s=5.0)
    watches = connect("watches")
    watches.subscribe(topic, inbox.put)
    watches.connect()
    assert inbox.get(5.0) == Incoming(topic, b"online", True)
    dies._paho.reconnect = lambda: (_ for _ in ()).throw(OSError())  # type: ignore[method-assign]
    _socket(dies).shutdown(socket.SHUT_RDWR)
    assert inbox.get(5.0).payload == b"lost"


def test_nodelay_is_set(connect: Connect) -> None:
    client = connect("a")
    client.connect()
    assert _socket(client).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_lost_connection_comes_back_with_its_subscriptions(connect: Connect, bench: str) -> None:
    inbox, links = Inbox(), Inbox()
    ends, starts = connect("b"), connect("a")
    ends.subscribe(f"{bench}/x", inbox.put)
    ends.on_link = links.put
    ends.connect()
    starts.connect()
    assert links.get(5.0) is True
    _socket(ends).shutdown(socket.SHUT_RDWR)
    assert [links.get(5.0), links.get(5.0)] == [False, True]
    starts.publish(f"{bench}/x", b"after")
    assert inbox.get(5.0).payload == b"after"
    assert ends.counters.connections == 2


def test_two_lives_of_one_name_have_two_client_ids() -> None:
    ids = {BusClient("mqtt://127.0.0.1:1", "bench-node").client_id for _ in range(2)}
    assert len(ids) == 2
    assert all(one.startswith("bench-node-") for one in ids)


def test_what_is_kept_for_others_does_not_come_unasked(connect: Connect, bench: str) -> None:
    asks, speaks, comes, inbox = connect("asks"), connect("speaks"), connect("comes"), Inbox()
    asks.subscribe(f"{bench}/kept/#", inbox.put)
    asks.connect()
    speaks.connect()
    assert speaks.publish(f"{bench}/kept/word", b"for those who ask", retain=True, wait_s=5.0)
    assert inbox.get(5.0).payload == b"for those who ask"
    comes.subscribe(f"{bench}/own", inbox.put)
    comes.connect()
    assert speaks.publish(f"{bench}/own", b"for this one", wait_s=5.0)
    assert inbox.get(5.0).payload == b"for this one"
    assert (comes.counters.received, comes.counters.unasked) == (1, 0)


def test_a_sink_that_fails_does_not_end_the_client(
    connect: Connect, bench: str, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, client = Inbox(), connect("a")

    def sink(incoming: Incoming) -> None:
        inbox.put(incoming)
        raise RuntimeError("a bug in a sink")

    client.subscribe(f"{bench}/x", sink)
    client.connect()
    with caplog.at_level(logging.CRITICAL):
        for number in range(3):
            client.publish(f"{bench}/x", bytes([number]))
        assert [inbox.get(5.0).payload[0] for _ in range(3)] == [0, 1, 2]
    client.close()
    assert client.counters.sink_errors == 3


def test_a_hook_can_delay_and_drop(connect: Connect, bench: str) -> None:
    delays = iter([0.05, 0.0, 0.0])
    inbox = Inbox()
    client = connect("a", jitter=lambda: next(delays), drop=lambda topic: topic.endswith("/no"))
    client.subscribe(f"{bench}/#", inbox.put)
    client.connect()
    for name in ("first", "no", "second", "third"):
        client.publish(f"{bench}/{name}", b"")
    assert [inbox.get(5.0).topic.split("/")[1] for _ in range(3)] == ["second", "third", "first"]
    assert client.counters.dropped_by_hook == 1


def test_the_delaying_thread_does_not_hold_up_the_network(connect: Connect, bench: str) -> None:
    handled, client = threading.Event(), connect("a", jitter=lambda: 30.0)
    client.subscribe(f"{bench}/x", lambda _: handled.set())
    client.connect()
    assert client.publish(f"{bench}/x", b"", wait_s=5.0), "the acknowledgement had to wait for the delayed callback"
    client.close()
    assert not handled.is_set()


def test_strangers_are_refused(broker_url: str) -> None:
    port = Address.parse(broker_url).port
    for url in (f"mqtt://127.0.0.1:{port}", f"mqtt://rig:wrong@127.0.0.1:{port}", f"mqtt://no:one@127.0.0.1:{port}"):
        with pytest.raises(AccessRefused):
            BusClient(url, "stranger").connect(5.0)


def test_a_broker_that_is_not_there() -> None:
    with reserved_port() as port:
        client = BusClient(f"mqtt://127.0.0.1:{port}", "lonely")
        with pytest.raises(BrokerGone, match="nothing listens there"):
            client.connect(0.2)


def test_speaking_out_of_turn(connect: Connect) -> None:
    client = connect("a")
    with pytest.raises(NotConnected):
        client.publish("x", b"")
    client.connect()
    with pytest.raises(NotConnected):
        client.subscribe("x", lambda _: None)
    with pytest.raises(NotConnected):
        client.set_will("x", b"")
    with pytest.raises(BadTopic):
        client.publish("x/#", b"")
    client.close()
    with pytest.raises(NotConnected):
        client.publish("x", b"")
    with pytest.raises(NotConnected):
        client.connect()


class _Sent:
    """What the library says of one message: how it was taken, and what came of waiting for it."""

    def __init__(self, rc: MQTTErrorCode, outcome: bool | Exception) -> None:
        self.rc, self.outcome = rc, outcome
        self.waited: list[float] = []

    def wait_for_publish(self, seconds: float) -> None:
        self.waited.append(seconds)
        if isinstance(self.outcome, Exception):
            raise self.outcome

    def is_published(self) -> bool:
        return self.outcome is True


OK, FULL, NO_CONNECTION = (
    MQTTErrorCode.MQTT_ERR_SUCCESS,
    MQTTErrorCode.MQTT_ERR_QUEUE_SIZE,
    MQTTErrorCode.MQTT_ERR_NO_CONN,
)
# How the library took it; what it says in the end; whether there is a connection; seconds to wait.  Then: what the
# caller is told, whether it is counted as dropped, and for how long was waited.
PUBLISHED: dict[str, tuple[MQTTErrorCode, bool | Exception, bool, float, bool, int, list[float]]] = {
    "taken, nobody waits": (OK, False, True, 0.0, True, 0, []),
    "acknowledged in time": (OK, True, True, 1.5, True, 0, [1.5]),
    "not acknowledged in time": (OK, False, True, 1.5, False, 0, [1.5]),
    "no room in the queue": (FULL, False, True, 0.0, False, 1, []),
    "no room in the queue, waiting": (FULL, True, True, 1.5, False, 1, []),
    "kept until there is a connection": (NO_CONNECTION, False, False, 0.0, True, 0, []),
    "no connection, so not in that time": (NO_CONNECTION, True, False, 1.5, False, 0, []),
    "the connection went between the two": (NO_CONNECTION, RuntimeError("not connected"), True, 1.5, False, 0, [1.5]),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_who_publishes_is_told_what_could_not_be_sent(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rc, outcome, connected, wait_s, told, dropped, waited = PUBLISHED[case]
    client = BusClient("mqtt://127.0.0.1:1", "speaks")
    sent = _Sent(rc, outcome)
    asked: list[tuple[object, ...]] = []

    def publish(*args: object) -> _Sent:
        asked.append(args)
        return sent

    monkeypatch.setattr(client, "_state", "open")
    monkeypatch.setattr(client._paho, "publish", publish)
    if connected:
        client._ready.set()
    assert client.publish("a/b", b"word", qos=1, retain=True, wait_s=wait_s) is told
    assert asked == [("a/b", b"word", 1, True)]
    assert (client.counters.dropped_out, sent.waited) == (dropped, waited)


def test_what_cannot_be_sent_over_a_lost_connection_is_kept_up_to_a_limit_and_counted_beyond(
    connect: Connect, bench: str
) -> None:
    inbox, links, ends = Inbox(), Inbox(), connect("b")
    ends.subscribe(f"{bench}/x", inbox.put)
    ends.connect()
    starts = connect("a", settings=ClientSettings(outgoing_limit=3))
    starts.on_link = links.put
    starts.connect()
    assert links.get(5.0) is True
    held, reconnect = threading.Event(), starts._paho.reconnect

    def later() -> object:
        held.wait(30.0)
        return reconnect()

    starts._paho.reconnect = later  # type: ignore[method-assign,assignment]
    _socket(starts).shutdown(socket.SHUT_RDWR)
    assert links.get(5.0) is False
    assert starts.publish(f"{bench}/x", b"0", wait_s=5.0) is False, "nobody can have acknowledged it"
    assert [starts.publish(f"{bench}/x", str(n).encode()) for n in range(1, 6)] == [True, True, False, False, False]
    assert starts.counters.dropped_out == 3
    held.set()
    assert [inbox.get(5.0).payload for _ in range(3)] == [b"0", b"1", b"2"]


def test_an_inbox_counts_what_does_not_fit() -> None:
    inbox = Inbox(limit=2)
    for number in range(5):
        inbox.put(number)
    assert [inbox.get(0.0), inbox.get(0.0), inbox.get(0.0), inbox.dropped] == [0, 1, None, 3]
