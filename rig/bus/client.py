"""The MQTT client: paho-mqtt 2 (MQTT 3.1.1), wrapped so that its known traps cannot be stepped into.

The traps and what is done about each are in facts/mqtt.md 4 and 6: TCP_NODELAY, subscriptions made anew at every
connection, callbacks that only queue, exceptions that never kill the network thread, bounded queues that count what
they drop.  Two lives never share a client id, and a broker keeps nothing for a life that ended: :class:`BusClient`
says why.

The only importer of paho.  Must not live here: topics, messages, order.
"""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import logging
import queue
import socket
import ssl
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from rig.bus.errors import AccessRefused, BadTopic, BadUrl, BrokerGone, NotConnected
from rig.bus.topics import matches

__all__ = ["Address", "BusClient", "ClientSettings", "Counters", "Inbox", "Incoming", "Sink", "Tls"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it arrived; ``retained`` when the broker had stored it."""

    topic: str
    payload: bytes
    retained: bool


Sink = Callable[[Incoming], None]
"""Takes a message on the network thread (or the delaying one): it may only queue, never wait."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for ``mqtts://``: the authority to trust (None: the system's) and our own certificate and key."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @classmethod
    def of_folder(cls, folder: Path, name: str) -> Tls:
        """The files of whoever is called ``name`` among those of a whole bench: ``ca.pem``, ``NAME.crt``, ``NAME.key``.

        Raises :class:`BadUrl` where one is missing, and for a key that others may read.
        """
        found = cls(folder / "ca.pem", folder / f"{name}.crt", folder / f"{name}.key")
        for path in (found.ca, found.cert, found.key):
            if path is None or not path.is_file():
                raise BadUrl(f"TLS files in {folder}", f"there is no {path and path.name}", "Put it there, in PEM.")
        if found.key is not None and found.key.stat().st_mode & 0o077:
            raise BadUrl(f"TLS files in {folder}", f"others may read {found.key.name}", f"Do: chmod 600 {found.key}")
        return found

    def context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as problem:
            names = ", ".join(str(path) for path in (self.ca, self.cert, self.key) if path)
            raise BadUrl(f"TLS files {names}", str(problem), "Give PEM files that this user may read.") from None
        return context


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, taken from ``mqtt://user:pass@host:port`` or ``mqtts://...``."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @classmethod
    def parse(cls, url: str, *, allow_plain: bool = False) -> Address:
        """Raises :class:`BadUrl`; a plain address off this machine too, unless ``allow_plain``.  The text of the error
        never holds the password."""
        advice = "Expected mqtt://user:password@host:port or mqtts://host:port."
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            user, password = parts.username, parts.password
        except ValueError as problem:
            raise BadUrl("broker address", str(problem), advice) from None
        if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path not in ("", "/") or parts.query:
            shown = f"{parts.scheme}://{host or ''}{parts.path}"
            raise BadUrl("broker address", f"{shown!r} is no MQTT address", advice)
        tls = parts.scheme == "mqtts"
        clear = [unquote(text) if text is not None else None for text in (user, password)]
        found = cls(host, port or (8883 if tls else 1883), tls, clear[0], clear[1])
        if not tls and not allow_plain and not found.loopback:
            problem_text = "would send commands and passwords in the clear over a network"
            raise BadUrl(str(found), problem_text, "Use mqtts://, or allow plain MQTT for this bench explicitly.")
        return found


@dataclass(frozen=True, slots=True)
class ClientSettings:
    keepalive_s: int = 5  # facts/mqtt.md 6: 5 to 10 s; a dead peer is noticed after 1.5 times this
    reconnect_first_s: float = 0.1  # facts/mqtt.md 6, the tested pattern
    reconnect_most_s: float = 2.0
    inflight: int = 200  # paho's 20 halves the throughput of QoS 1 (facts/mqtt.md 4)
    outgoing_limit: int = 20_000  # paho's own default is without bound
    subscribe_qos: int = 1


@dataclass(slots=True)
class Counters:
    """What a connection went through.  All of them only grow."""

    connections: int = 0
    received: int = 0
    unasked: int = 0
    """Messages that no subscription of ours asked for (amqtt leaks retained ones, facts/mqtt.md 2)."""
    dropped_out: int = 0
    dropped_by_hook: int = 0
    sink_errors: int = 0


def _nobody(_up: bool) -> None:
    """Nobody wants to know about the link."""


class Inbox:
    """A bounded queue between the network thread and whoever works; what does not fit is counted in ``dropped``."""

    def __init__(self, limit: int = 50_000) -> None:
        self.limit, self.dropped = limit, 0
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: Any) -> None:
        if self._items.qsize() >= self.limit:
            self.dropped += 1
        else:
            self._items.put(item)

    def get(self, timeout_s: float | None) -> Any:
        """The next item; None after ``timeout_s`` without one.  May be interrupted by a signal."""
        try:
            return self._items.get(timeout=None if timeout_s is None else max(0.0, timeout_s))
        except queue.Empty:
            return None


class _Delayer:
    """Hands each message on after a delay of its own, so that they are handled at shuffled instants."""

    def __init__(self, name: str, delay: Callable[[], float], deliver: Callable[[Incoming, list[Sink]], None]) -> None:
        self._delay, self._deliver = delay, deliver
        self._due: list[tuple[float, int, Incoming, list[Sink]]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._run, name=f"{name}-delay", daemon=True)
        self._thread.start()

    def put(self, incoming: Incoming, sinks: list[Sink]) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + self._delay(), next(self._count), incoming, sinks))
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _next(self) -> tuple[Incoming, list[Sink]] | None:
        with self._changed:
            while self._open:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2:]
                self._changed.wait(wait)
        return None

    def _run(self) -> None:
        while (due := self._next()) is not None:
            self._deliver(*due)


class BusClient:
    """One connection to the broker, for one life of what ``name`` stands for.

    ``client_id`` is the name and a part that no other life has.  A broker that still holds the connection of an earlier
    life (its machine lost power, its goodbye is on the way) would otherwise take the new one for the old one come
    back: MQTT 3.1.1 has it close the old connection (3.1.4-2) and go on with its session, and what the broker then does
    to end the old one, it may do to the new one.  The embedded broker does: nothing more is delivered.  The name stands
    in front, for access by prefix and for people who read a broker's log; access is best given by user or certificate.
    A broker that makes the client id from those (``use_username_as_clientid``) settles it as it likes.

    The session is a clean one.  A broker would keep another for ever for an id that nobody uses again, and what was
    queued in it for a life that is over.  Nothing is lost by it that is not asked for again: what we send with QoS 1 is
    kept here over a lost connection, subscriptions are made anew, commands are repeated, missing events fetched.

    ``jitter`` gives a delay in seconds for each incoming message; ``drop`` is asked with each incoming topic and has it
    thrown away on True: both are for the proof that order and completeness do not hang on the network's mood.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        tls: Tls | None = None,
        allow_plain: bool = False,
        jitter: Callable[[], float] | None = None,
        drop: Callable[[str], bool] | None = None,
        settings: ClientSettings | None = None,
    ) -> None:
        self.address = Address.parse(url, allow_plain=allow_plain)
        self.client_id = f"{name}-{uuid.uuid4().hex[:12]}"
        self.counters = Counters()
        self.on_link: Callable[[bool], None] = _nobody
        """Called on the network thread: True when connected and subscribed, False when the connection is lost."""
        self._settings = settings or ClientSettings()
        self._sinks: list[tuple[str, Sink]] = []
        self._ready = threading.Event()
        self._refusal: str | None = None
        self._failure = "no connection yet"
        self._subscribing = 0
        self._state = "new"
        self._drop = drop
        self._delayer = _Delayer(name, jitter, self._deliver) if jitter else None
        self._library: paho.Client | None = self._make(tls)

    def _make(self, tls: Tls | None) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, self.client_id, clean_session=True, protocol=paho.MQTTv311)
        client.reconnect_delay_set(self._settings.reconnect_first_s, self._settings.reconnect_most_s)  # type: ignore[arg-type]
        client.max_inflight_messages_set(self._settings.inflight)
        client.max_queued_messages_set(self._settings.outgoing_limit)
        client.suppress_exceptions = True  # a callback that fails must not end the network thread silently
        if self.address.user is not None:
            client.username_pw_set(self.address.user, self.address.password)
        if self.address.tls:
            client.tls_set_context((tls or Tls()).context())
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    @property
    def _paho(self) -> paho.Client:
        library = self._library
        if library is None:
            raise NotConnected(str(self.address), "the client is closed")
        return library

    # ------------------------------------------------------------------------------------------------- for the user

    @property
    def connected(self) -> bool:
        """Connected and subscribed at this moment."""
        return self._ready.is_set() and self._refusal is None

    def subscribe(self, pattern: str, sink: Sink) -> None:
        """Have ``sink`` called with every message that ``pattern`` takes.  Before :meth:`connect` only: what is asked
        for later would not be asked for again after a lost connection in the same order."""
        if self._state != "new":
            raise NotConnected(str(self.address), "subscriptions are made before the connection")
        self._sinks.append((pattern, sink))

    def set_will(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        """What the broker says for us when we are lost without a word.  Before :meth:`connect` only."""
        if self._state != "new":
            raise NotConnected(str(self.address), "the last will is made before the connection")
        self._paho.will_set(topic, payload, qos=1, retain=retain)

    def connect(self, timeout_s: float = 5.0) -> None:
        """Connect and subscribe.  Raises :class:`BrokerGone` when nothing answers in ``timeout_s``,
        :class:`AccessRefused` when the broker does not let us in; the client is closed then."""
        if self._state != "new":
            raise NotConnected(str(self.address), f"the client is {self._state}", "Make a new one.")
        self._state = "open"
        self._paho.connect_async(self.address.host, self.address.port, self._settings.keepalive_s)
        self._paho.loop_start()
        answered = self._ready.wait(timeout_s)
        if answered and self._refusal is None:
            return
        refusal = self._refusal
        self.close()
        if refusal is not None:
            raise AccessRefused(str(self.address), refusal, "Check user, password or certificate of this client.")
        raise BrokerGone(
            str(self.address), f"no connection in {timeout_s:g} s ({self._failure})", "Is the broker running?"
        )

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, wait_s: float = 0.0) -> bool:
        """Send, from any thread.  QoS 1 is kept over a lost connection, QoS 0 is not.

        False when it was dropped (queue full, counted) or, with ``wait_s``, not acknowledged in that time.
        Raises :class:`NotConnected` before :meth:`connect` and after :meth:`close`.
        """
        if self._state != "open":
            raise NotConnected(str(self.address), f"the client is {self._state}")
        try:
            info = self._paho.publish(topic, payload, qos, retain)
        except ValueError as problem:
            raise BadTopic(topic[:200], str(problem)) from None
        if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            self.counters.dropped_out += 1
            return False
        if wait_s <= 0:
            return True
        if not self.connected:  # paho keeps it and sends it later, but it won't be in this time
            return False
        try:
            info.wait_for_publish(wait_s)
        except RuntimeError:  # sent while there was no connection: paho never says more about it
            return False
        return info.is_published()

    def close(self) -> None:
        """Say goodbye (no last will) and end the threads."""
        if self._state == "open":
            self._state = "closed"
            self._paho.disconnect()
            self._paho.loop_stop()
        self._state = "closed"
        self._library = None  # the library closes its own socket pair only when nothing refers to it any more
        self._ready.clear()
        if self._delayer is not None:
            self._delayer.close()
            self._delayer = None

    # ------------------------------------------------------------------------------------- on paho's network thread

    def _on_socket_open(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        # Without it a QoS 1 round trip takes 44 ms instead of 0.4 (facts/mqtt.md 4).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"connection refused ({reason})"
            self._ready.set()
            return
        self._refusal = None
        self.counters.connections += 1
        if not self._sinks:
            self._up()
            return
        patterns = list(dict.fromkeys(pattern for pattern, _ in self._sinks))
        _, mid = client.subscribe([(pattern, self._settings.subscribe_qos) for pattern in patterns])
        self._subscribing = mid or 0

    def _on_connect_fail(self, _client: paho.Client, _userdata: Any) -> None:
        problem = sys.exception()  # paho calls this while it handles the error
        self._failure = "nothing listens there" if isinstance(problem, ConnectionRefusedError) else str(problem)

    def _on_subscribe(self, _client: paho.Client, _userdata: Any, mid: int, reasons: Any, _properties: Any) -> None:
        if mid != self._subscribing:
            return
        if any(reason.is_failure for reason in reasons):
            self._refusal = "a subscription was refused"
            self._ready.set()
            return
        self._up()

    def _up(self) -> None:
        self._ready.set()
        self._tell(True)

    def _on_disconnect(self, _client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._failure = f"connection lost ({reason})"
        if self._refusal is None and self._ready.is_set():
            self._ready.clear()
            self._tell(False)

    def _tell(self, up: bool) -> None:
        try:
            self.on_link(up)
        except Exception:
            self.counters.sink_errors += 1
            log.exception("%s: link handler failed", self.client_id)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self.counters.received += 1
        incoming = Incoming(message.topic, bytes(message.payload), bool(message.retain))
        sinks = [sink for pattern, sink in self._sinks if matches(pattern, incoming.topic)]
        if not sinks:
            self.counters.unasked += 1
        elif self._drop is not None and self._drop(incoming.topic):
            self.counters.dropped_by_hook += 1
        elif (delayer := self._delayer) is not None:
            delayer.put(incoming, sinks)
        else:
            self._deliver(incoming, sinks)

    def _deliver(self, incoming: Incoming, sinks: list[Sink]) -> None:
        for sink in sinks:
            try:
                sink(incoming)
            except Exception:
                self.counters.sink_errors += 1
                log.exception("%s: the sink of %s failed", self.client_id, incoming.topic)
