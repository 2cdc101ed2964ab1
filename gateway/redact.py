"""The last cut before an answer leaves: refused elements, hidden fields, capped results."""

from gateway.errors import Denied, GatewayError
from gateway.model import Answer, Decision, Result


def redact(answer: Answer, decision: Decision) -> Result:
    """`answer` as `decision` allows it. Raises `Denied` when it does not, or when it cannot be cut.

    Whatever goes wrong here withholds the answer; the cause is named by its type alone, since its
    text could hold the very values that were to be hidden.
    """
    decision.enforce()
    try:
        return answer.without(decision.refused, decision.redacted, decision.maximum).render()
    except GatewayError:
        raise
    except Exception as failed:
        why = type(failed).__name__
    raise Denied(
        "The answer could not be cut as policy demands and is withheld; tell the operator.",
        rules=tuple(r.rule for r in decision.reasons),
        private=f"redaction failed: {why}",
    )
