"""A bounded memory of answers."""

from gateway.policy.memo import Memo


def test_the_least_recently_used_answer_is_forgotten() -> None:
    """Memory stays flat, and what is asked for often stays."""
    memo: Memo[int, str] = Memo(2)
    memo.put(1, "one")
    memo.put(2, "two")
    assert memo.get(1) == "one"
    memo.put(3, "three")
    assert (memo.get(1), memo.get(2), memo.get(3)) == ("one", None, "three")
    assert len(memo) == 2
    assert memo.pop(1) == "one"
    assert memo.pop(1) is None
