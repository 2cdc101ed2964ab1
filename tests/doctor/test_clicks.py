"""Nothing is wrong without a place to click: the tables are whole."""

import pytest

from gateway.credential.endpoint import Answer
from gateway.credential.refusals import GENERIC, TABLES, Outcome, ours
from gateway.doctor.clicks import CLICKS, click, page
from gateway.doctor.clicks import GENERIC as EVERYWHERE
from gateway.doctor.refused import BY_ERROR, OUTCOMES, WHERE, where
from gateway.identity.profiles import PROFILES, SIGN_IN_ONLY
from tests.test_docs import ROOT

VENDORS = [*PROFILES, *SIGN_IN_ONLY]
ROWS = [(vendor, row) for vendor, rows in TABLES.items() for row in rows]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_profile_has_every_topic_and_a_page(vendor: str) -> None:
    """What is not said of a vendor is said of all; its page is there."""
    assert all(click(vendor, topic) for topic in EVERYWHERE)
    assert (ROOT / page(vendor)).exists()


def test_no_topic_is_a_vendors_alone() -> None:
    """Each topic of a vendor is one that is looked up; `consent` and `blocked` are those of Entra's refusals."""
    known = {*EVERYWHERE, "consent", "blocked"}
    assert not [topic for topics in CLICKS.values() for topic in topics if topic not in known]
    assert set(BY_ERROR.values()) <= set(EVERYWHERE)


@pytest.mark.parametrize(("vendor", "row"), ROWS, ids=lambda one: str(one)[:40])
def test_every_refusal_says_what_to_do(vendor: str, row: tuple[str, str, Outcome]) -> None:
    """A row that is the operator's to correct has its own place; the others are said by what they mean."""
    told = where(vendor, vendor, row, Answer(400, {"error": row[0]}))
    assert told
    if row[2] is ours or (row[2] not in OUTCOMES and "fix" in row[2].__qualname__):
        assert (row[0], row[1]) in WHERE[vendor]


def test_no_place_without_a_refusal() -> None:
    """A row that went from `refusals.py` goes from here."""
    known = {(vendor, row[0], row[1]) for vendor, row in ROWS}
    assert {(vendor, *key) for vendor, rows in WHERE.items() for key in rows} <= known


@pytest.mark.parametrize(
    "error", ["invalid_client", "unauthorized_client", "invalid_scope", "invalid_target", "new"]
)
def test_the_standards_errors_say_what_to_do_at_any_provider(error: str) -> None:
    """Also an error that nobody has defined."""
    answer = Answer(401 if error == "invalid_client" else 400, {"error": error})
    assert where("generic", "rfc9068", GENERIC[-1], answer)
