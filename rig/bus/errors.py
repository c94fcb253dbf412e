"""The errors of the bus room, all of them.

    BusError                    where, what is wrong, what to do next
    ├── BadMessage              octets or fields that are no message of this project
    ├── BadTopic                a name that no topic can carry, or a topic that is none of ours
    ├── BadUrl                  a broker address that cannot be used, or must not be
    └── InfraError              the bench broke; never the device under test
        ├── NotConnected        asked to speak before there was a connection, or after it was closed
        ├── AccessRefused       the broker does not know this user
        ├── BrokerGone          nothing listens, or the connection stays lost
        ├── BenchDied           the process that owns the node died or was started anew: the outcome is unknown
        ├── NoAnswer            the time ran out with an answer or an event still missing
        ├── BenchBusy           somebody else holds the bench
        ├── LeaseLost           we held the bench and no longer do
        └── BenchFault          the node says that something of its own broke while it executed the command

Whatever is an :class:`InfraError` ends in the verdict INFRA.
"""

from __future__ import annotations

__all__ = [
    "AccessRefused",
    "BadMessage",
    "BadTopic",
    "BadUrl",
    "BenchBusy",
    "BenchDied",
    "BenchFault",
    "BrokerGone",
    "BusError",
    "InfraError",
    "LeaseLost",
    "NoAnswer",
    "NotConnected",
    "of_system",
]


def of_system(problem: OSError) -> str:
    """What the operating system said, in words: the place, if it named one, and the reason."""
    return f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem.strerror or problem)


class BusError(Exception):
    """Base of everything that the bus room raises.  ``where`` names topic, node or broker; ``advice`` the next step."""

    def __init__(self, where: str, problem: str, advice: str = "") -> None:
        super().__init__(where, problem, advice)
        self.where, self.problem, self.advice = where, problem, advice

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}." + (f" {self.advice}" if self.advice else "")


class BadMessage(BusError):
    """Octets or fields that are no message of this project."""


class BadTopic(BusError):
    """A name that no topic can carry, or a topic that is none of ours."""


class BadUrl(BusError):
    """A broker address that cannot be used, or must not be."""


class InfraError(BusError):
    """The bench broke; never the device under test."""


class NotConnected(InfraError):
    """Asked to speak before there was a connection, or after it was closed."""


class AccessRefused(InfraError):
    """The broker does not know this user."""


class BrokerGone(InfraError):
    """Nothing listens, or the connection stays lost."""


class BenchDied(InfraError):
    """The process that owns the node died or was started anew: the outcome is unknown."""


class NoAnswer(InfraError):
    """The time ran out with an answer or an event still missing."""


class BenchBusy(InfraError):
    """Somebody else holds the bench."""


class LeaseLost(InfraError):
    """We held the bench and no longer do."""


class BenchFault(InfraError):
    """The node says that something of its own broke while it executed the command."""
