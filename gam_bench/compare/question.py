"""What the suites behind a table ask, as their runs carry it."""

import pandas as pd
from pydantic import ValidationError

from gam_bench.errors import UserError
from gam_bench.results.figures import metric
from gam_bench.suite.claim import Claim, Question


def asked(frame: pd.DataFrame) -> Question:
    """The claims (all of them, the primary first), the narrowest margin, and the longest list of seeds.

    Of two suites that ask different primary claims neither stays primary. Raises UserError for a claim in a
    figure that no table shows, or in which nothing is better.
    """
    questions = [_read(text) for text in dict.fromkeys(frame["question"])] or [Question()]
    claims: dict[tuple[str, ...], Claim] = {}
    for question in questions:
        for claim in question.asked():
            if not metric(claim.metric).judged:
                raise UserError(
                    f"{claim.better} > {claim.worse}: {claim.metric!r} is no figure to be better in"
                )
            held = claims.get(claim.order)
            claims[claim.order] = claim if held is None or held.primary else held
    primary = [claim for claim in claims.values() if claim.primary]
    found = claims.values() if len(primary) == 1 else [claim.secondary() for claim in claims.values()]
    margins = [question.margin for question in questions if question.margin is not None]
    return Question(
        claims=sorted(found, key=lambda claim: not claim.primary),
        margin=min(margins, default=None),
        seeds=max((question.seeds for question in questions), key=len),
    )


def _read(text: str) -> Question:
    try:
        return Question.model_validate_json(text) if text else Question()
    except ValidationError:
        raise UserError(f"the column question holds no question of a suite: {text[:80]}") from None
