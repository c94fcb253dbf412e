"""Robot library `rig.keywords.judging.Judging`: a test's own expectations, each with what it rests on.

What Robot's own `Should ...` keywords find has no basis: a failure of theirs fails the test, but what they pass makes
no PASS.  These keywords name the basis.

Must not live here: expectations that suites share (``robot_suites/resources/expectations.yaml``).
"""

from __future__ import annotations

from dataclasses import replace

from robot.api import logger
from robot.api.deco import keyword, library

from rig.evidence.judging import Basis, BasisKind, Reading
from rig.keywords.judge import Misused, judge
from rig.keywords.session import session

__all__ = ["Judging"]


@library(scope="GLOBAL", auto_keywords=False)
class Judging:
    """Expectations that a test states itself."""

    @keyword
    def expectation_should_hold(
        self,
        condition: bool,
        statement: str,
        *,
        basis: BasisKind = BasisKind.OWN_DEFAULT,
        source: str = "",
        device: str = "",
    ) -> None:
        """What the test states must hold.  ``basis`` is what it rests on and ``source`` where that is written.

        ``basis``: CLAUSE, PUBLISHED_MESSAGE, DECLARATION or OWN_DEFAULT; on the last alone nothing passes or fails.

        Example:
        | Expectation Should Hold    ${reading} > 0    the register counts    basis=CLAUSE    source=SMETS 5.4.8.1 |
        """
        if basis.counts and not source.strip():
            raise Misused(f"a basis {basis.name} names its source, such as source=GBCS 10.2.2")
        held = judge().expectation("stated", device)
        held = replace(held, statement=statement, basis=Basis(basis, source or held.basis.source))
        if condition:
            judge().met(held, device)
            return
        problem = session().unmet(statement, "the contrary")
        judge().missed(held, device, problem)
        raise problem

    @keyword
    def reading_should_be_within_limits(
        self,
        value: float,
        expectation: str,
        *,
        uncertainty: float | None = None,
        instrument: str = "",
        device: str = "",
    ) -> None:
        """A value that was measured must lie within the limits of an expectation, by the decision rule in force.

        ``uncertainty`` is expanded (k=2) and in the unit of the limits; ``instrument`` is its name in the bench file.

        Example:
        | Reading Should Be Within Limits    8.2    operate-time    uncertainty=0.3    device=esme |
        """
        held = judge().expectation("", device, expectation)
        unit = held.limit.unit if held.limit else ""
        reading = Reading(value, unit, uncertainty, instrument, session().now)
        logger.info(str(judge().measured(held, device, reading)))
