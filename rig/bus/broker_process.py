"""The embedded broker's own process: ``python -m rig.bus.broker_process``.

Reads one line of JSON from its standard input (``host``, ``user``, ``password``), prints one line of JSON (``port``),
serves until its standard input ends, which it does however the parent dies.  Loopback only: its access control is
not to be relied on (facts/mqtt.md 2), so anything else needs a Mosquitto.

The only importer of amqtt.  Must not live here: anything that the parent needs; that is ``broker.py``.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
import sys
import warnings
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin  # type: ignore[import-untyped]
from amqtt.session import Session  # type: ignore[import-untyped]

from rig import child

__all__ = ["PasswordPlugin", "main"]

_PLUGIN = "rig.bus.broker_process.PasswordPlugin"


class PasswordPlugin(BaseAuthPlugin):  # type: ignore[misc]  # the library is untyped
    """One user with one password; nobody else, and nobody without a name."""

    @dataclass
    class Config:
        user: str = ""
        password: str = ""

    async def authenticate(self, *, session: Session) -> bool:
        if not self.config.user or not self.config.password:
            return False
        name, word = session.username or "", session.password or ""
        if isinstance(word, bytes):
            word = word.decode("utf-8", "replace")
        same_name = hmac.compare_digest(name.encode(), self.config.user.encode())
        return hmac.compare_digest(word.encode(), self.config.password.encode()) and same_name


class Embedded(Broker):  # type: ignore[misc]  # the library is untyped
    """The library's broker without one thing that it does too much (facts/mqtt.md 2, defects 1 and 2).

    At each connection it goes through the filters of all clients and sends the new one whatever was retained under
    them.  That is none of its business; it takes the longer the more there is; and while it waits for the sending,
    another client's subscription changes the table that it goes through, which ends the service of the new one without
    a word.
    """

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        theirs = self._subscriptions.get(subscription[0], ())
        if any(subscriber.client_id == session.client_id for subscriber, _ in theirs):
            await super()._publish_retained_messages_for_subscription(subscription, session)


async def _stdin_ended() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        continue


async def _serve(host: str, user: str, password: str) -> None:
    plugins = {_PLUGIN: {"user": user, "password": password}}
    broker = Embedded({"listeners": {"default": {"type": "tcp", "bind": f"{host}:0"}}, "plugins": plugins})
    await broker.start()
    # The library does not say which port it got; its server object does.
    sockets: Any = broker._servers["default"].instance.sockets
    print(json.dumps({"port": sockets[0].getsockname()[1]}), flush=True)
    await _stdin_ended()


def main() -> int:
    """Serve; 2 for settings that are refused, 0 when the parent is gone."""
    child.end_soon()
    warnings.simplefilter("ignore")  # the library's own, of no use to whoever runs a bench
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    try:
        wish = json.loads(sys.stdin.readline())
        host, user, password = str(wish["host"]), str(wish["user"]), str(wish["password"])
        loopback = ipaddress.ip_address(host).is_loopback
    except (ValueError, KeyError, TypeError) as problem:
        print(f"expected one line of JSON with host, user and password: {problem}", file=sys.stderr)
        return 2
    if not loopback or not user or not password:
        print(f"{host}: the embedded broker serves 127.0.0.1 with a password only; name a Mosquitto", file=sys.stderr)
        return 2
    asyncio.run(_serve(host, user, password))
    return 0


if __name__ == "__main__":
    sys.exit(main())
