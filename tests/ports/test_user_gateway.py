"""The user gateway: octets between users and the broker, each way of delivery for itself, on the bench clock."""

from __future__ import annotations

import pytest

from rig.ports.protocols import PortMissing
from rig.ports.user_gateway import DELAY_NS, WAYS, UserGateway
from rig.world.clock import VirtualClock

SUPPLIER, OPERATOR, METER, BROKER = b"supplier", b"operator", b"meter---", b"broker--"
Heard = list[tuple[str, int, bytes, bytes]]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def gateway(clock: VirtualClock) -> UserGateway:
    return UserGateway(clock)


def listen(gateway: UserGateway, clock: VirtualClock, *users: bytes) -> Heard:
    """What each end hears: its name, when, from or for whom, and what."""
    heard: Heard = []

    def taker(name: str):  # type: ignore[no-untyped-def]
        return lambda peer, octets: heard.append((name, clock.now, peer, octets))

    for way in WAYS:
        gateway.broker(BROKER, way).on_message = taker(f"broker.{way}")
        for user in users:
            gateway.user(user, way).on_message = taker(f"{user.decode()}.{way}")
    return heard


@pytest.mark.parametrize("way", WAYS)
def test_what_a_user_sends_reaches_the_broker_under_the_users_name_by_that_way_alone(
    gateway: UserGateway, clock: VirtualClock, way: str
) -> None:
    heard = listen(gateway, clock, OPERATOR)
    user = gateway.user(SUPPLIER, way)
    clock.advance(1_000)
    user.send(METER, b"pre-command")
    assert heard == []
    clock.advance(1_000 + DELAY_NS)
    assert heard == [(f"broker.{way}", 1_000 + DELAY_NS, SUPPLIER, b"pre-command")]


@pytest.mark.parametrize("way", WAYS)
def test_what_the_broker_sends_reaches_that_user_by_that_way_alone(
    gateway: UserGateway, clock: VirtualClock, way: str
) -> None:
    heard = listen(gateway, clock, SUPPLIER, OPERATOR)
    gateway.broker(BROKER, way).send(OPERATOR, b"response")
    clock.advance(DELAY_NS)
    assert heard == [(f"operator.{way}", DELAY_NS, BROKER, b"response")]


def test_messages_keep_their_order(gateway: UserGateway, clock: VirtualClock) -> None:
    heard = listen(gateway, clock)
    supplier, operator = gateway.user(SUPPLIER, "wan"), gateway.user(OPERATOR, "wan")
    for number in range(5):
        (operator if number % 2 else supplier).send(METER, bytes([number]))
    clock.advance(DELAY_NS)
    assert [octets for _, _, _, octets in heard] == [bytes([number]) for number in range(5)]


def test_a_user_that_nobody_knows_is_named_with_what_to_do(gateway: UserGateway, clock: VirtualClock) -> None:
    gateway.user(SUPPLIER, "wan")
    with pytest.raises(
        PortMissing, match=r"user gateway: no user 6F-70-65-72-61-74-6F-72 is known\. Add it to the bench"
    ):
        gateway.broker(BROKER, "wan").send(OPERATOR, b"response")
    with pytest.raises(PortMissing):
        gateway.broker(BROKER, "local").send(SUPPLIER, b"response")  # a user of another way
    assert clock.next_due() is None


def test_it_is_always_up_and_a_closed_end_hears_no_more(gateway: UserGateway, clock: VirtualClock) -> None:
    heard = listen(gateway, clock)
    user, broker = gateway.user(SUPPLIER, "wan"), gateway.broker(BROKER, "wan")
    assert user.up
    assert broker.up
    user.send(METER, b"on its way")
    broker.close()
    clock.advance(DELAY_NS)
    assert heard == []
