"""What the parts of a virtual Zigbee radio share: settings, what AT registers ask for, what is remembered.

Must not live here: behaviour.  Source: facts/radio.md 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Ai", "Heard", "Membership", "NetworkSettings", "Parameters", "Status"]

MS = 1_000_000
S = 1000 * MS
COORDINATOR = b"\x00\x00"
NO_ADDRESS = b"\xff\xfe"
ANY = bytes(8)
WILDCARD = b"\xff" * 8
TRANSPORT_KEY, NETWORK_KEY = 0x05, 0x01
LEAVE = 0x04
ROUTER = 0x8E  # capability: router, mains, receiver on when idle, allocate an address


class Ai:
    """Values of the AI register (facts/xbee-manual.md 1.6)."""

    OK, SEARCHING = 0x00, 0xFF
    NO_PAN, NO_MATCH, NOT_JOINABLE, NO_ANSWER, SECURITY, NOT_STARTED = 0x21, 0x22, 0x23, 0xAB, 0x27, 0x2A


class Status:
    """Modem status octets (facts/radio.md 2.2)."""

    JOINED, LEFT, STARTED, OPENED, CLOSED = 0x02, 0x03, 0x06, 0x43, 0x44


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Times; where no fact is named, each is the standard's value [from memory] or of that order."""

    scan_ns: int = 138_240_000  # a channel: (2^3 + 1) * 960 symbols, scan duration SD = 3
    response_wait_ns: int = 491_520_000  # macResponseWaitTime, 32 superframes
    security_wait_ns: int = 5 * S  # apsSecurityTimeOutPeriod: the joiner waits so long for a key that it can read
    # After a change of its settings a module waits so long before it forms or looks, facts/xbee-manual.md 4.1 no. 3
    settle_ns: int = 5 * S
    # It looks 9 times a minute for 5 minutes, then 3 times, for ever, facts/xbee-manual.md 4.1 no. 5
    search_period_ns: int = 6_667 * MS
    search_often_ns: int = 300 * S
    search_seldom_ns: int = 20 * S
    # After an hour in vain it looks less often than a real one, which spares a bench that skips days [our choice]
    search_rarely_after_ns: int = 3600 * S
    search_rarely_ns: int = 600 * S


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the AT registers ask for.  ``epid`` of zeros: any; ``mask``: bit 0 is channel 11."""

    coordinator: bool
    epid: bytes
    mask: int
    link_key: bytes
    network_key: bytes = bytes(16)  # zeros: drawn when the network is formed
    pan: int = 0xFFFF  # FFFF: drawn
    profile: int = 0  # ZS, the stack profile: only networks of the same one are joined
    strongest: bool = False  # join the strongest of those that fit, not the first one heard (DC bit 3)
    security: bytes = b""  # what a network was joined with besides: a membership with another one is over
    search: bool = True  # look for a network (DJ=0)


@dataclass(frozen=True, slots=True)
class Heard:
    """One beacon."""

    epid: bytes
    pan: int
    channel: int
    joinable: bool
    rssi: int
    stack_profile: int
    source: bytes


@dataclass(slots=True)
class Membership:
    """What a radio remembers without power: its network and the addresses in it."""

    epid: bytes
    pan: int
    channel: int
    short: bytes
    key: bytes
    coordinator: bool
    hub: bytes = b""  # EUI-64 of the coordinator
    addresses: dict[bytes, bytes] = field(default_factory=dict)  # EUI-64 to short address
    security: bytes = b""  # the settings that it was formed or joined with
    profile: int = 0
