"""Ports for servers that have to be told one.

Must not live here: servers.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["reserved_port"]


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which nobody listens and that the system gives to nobody else while the body runs.

    A server that is told this port may listen there: it reuses addresses, as servers do, and so does what holds the
    port here.  To ask for a free port and let it go again is not enough: until the server has it, another test may.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
