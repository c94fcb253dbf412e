"""Which mutants are tried: the rooms, a seeded sample of them, and those that are known to change nothing.

Must not live here: how a mutant is made (``operators``) or tried (``trial``).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.mutation.operators import Mutant, mutants
from tests.mutation.tree import ROOT

__all__ = ["ROOMS", "Equivalent", "draw", "equivalents", "of_lines", "of_rooms"]

ROOMS: Final = ("devices.machines", "rig.node", "rig.bus", "rig.keywords", "rig.evidence")
_KNOWN: Final = Path(__file__).with_name("equivalent.yaml")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that changes nothing that anybody could notice, and why."""

    file: str
    scope: str
    change: str
    reason: str

    def is_of(self, mutant: Mutant) -> bool:
        """Whether it is this mutant, wherever its line has moved to."""
        return (self.file, self.scope, self.change) == (mutant.file, mutant.scope, mutant.text)


def equivalents(path: Path = _KNOWN) -> list[Equivalent]:
    """The known ones."""
    return [Equivalent(**entry) for entry in yaml.safe_load(path.read_text("utf-8")) or ()]


def of_rooms(rooms: Iterable[str], root: Path = ROOT) -> list[Mutant]:
    """Every mutant of the rooms.  Raises ``ValueError`` for a room that is not there."""
    found: list[Mutant] = []
    for room in rooms:
        place = root / room.replace(".", "/")
        paths = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        if not all(path.is_file() for path in paths):
            raise ValueError(f"no room and no module {room!r}; expected names like {', '.join(ROOMS)}")
        for path in paths:
            found += mutants(str(path.relative_to(root)), path.read_bytes())
    return found


def of_lines(places: Iterable[str], root: Path = ROOT) -> list[Mutant]:
    """Every mutant of the places, each ``FILE``, ``FILE:LINE`` or ``FILE:FIRST-LAST``.  Raises ``ValueError``."""
    found: list[Mutant] = []
    for place in places:
        file, _, lines = place.partition(":")
        first, _, last = lines.partition("-")
        if not (root / file).is_file() or not all(part.isdigit() for part in (first, last) if part):
            raise ValueError(f"expected FILE, FILE:LINE or FILE:FIRST-LAST from the root of the tree, got {place!r}")
        low, high = int(first or 1), int(last or first or 1 << 30)
        found += [m for m in mutants(file, (root / file).read_bytes()) if low <= m.line <= high]
    return found


def draw(every: Sequence[Mutant], seed: int, count: int) -> list[Mutant]:
    """A sample of ``count``, the same for the same seed and tree.

    First an operator is drawn, in proportion to the root of how many mutants it has, so that the many constants do not
    crowd out the rest; then one of its mutants.
    """
    rng = random.Random(seed)
    by_operator: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in every:
        by_operator[mutant.operator].append(mutant)
    for group in by_operator.values():
        rng.shuffle(group)
    names = sorted(by_operator)
    weights = {name: len(by_operator[name]) ** 0.5 for name in names}
    drawn: list[Mutant] = []
    while len(drawn) < count and any(by_operator.values()):
        left = [name for name in names if by_operator[name]]
        (name,) = rng.choices(left, [weights[one] for one in left])
        drawn.append(by_operator[name].pop())
    return drawn
