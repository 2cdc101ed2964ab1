"""Random JQL: strings that are almost queries, made from a seed so that a failure can be repeated."""

import random

FIELDS = [
    "project",
    "status",
    '"Story Points"',
    "cf[10042]",
    "customfield_10042",
    "issue.property[a].b",
    "'due'",
]
FIELDS += ["text", '"pro\\u006aect"', "level", "cf [7]", "assignee"]
OPERATORS = ["=", "!=", "~", "!~", "<", ">", "<=", ">=", "in", "NOT IN", "is", "is not", "was", "was not"]
OPERATORS += ["was in", "was not in", "changed"]
VALUES = [
    "OPEN",
    "5",
    "-3",
    '"a b"',
    "'it\\'s'",
    "EMPTY",
    "null",
    "currentUser()",
    "(a, b)",
    '(1,"x")',
    "-1d",
]
VALUES += [
    '"x ORDER BY y"',
    '"\\\\"',
    '"a\\" OR b = c"',
    "startOfDay(-1)",
    "linkedIssues('A-1', \"x\")",
    "2026-01-01",
]
JOINTS = [
    "AND",
    "and",
    "&",
    "&&",
    "OR",
    "or",
    "|",
    "||",
    "NOT",
    "!",
    "(",
    ")",
    "ORDER BY",
    "order",
    "by",
    ",",
]
JOINTS += ["asc", "DESC", "BY", "BEFORE", "AFTER", "ON", "DURING", "FROM", "TO", "[", "]"]
DIRT = [
    "select",
    "the",
    "\u00a0",
    "＝",
    "*",
    "#",
    "{",
    "\\",
    "\\u0041",
    "\\n",
    '"',
    "'",
    "\t",
    "\n",
    "\x07",
    "\U0001f600",
]
DIRT += ["é", "/", "%", ";", "cf", "-", ".", "_", ":", "\u2028", "ſtatus", "İ"]


def strings(seed: int, count: int) -> list[str]:
    """`count` strings: a third well-formed or nearly so, the rest token soup, some cut or doubled."""
    dice = random.Random(seed)
    return [_string(dice) for _ in range(count)]


def _string(dice: random.Random) -> str:
    text = _query(dice, 0) if dice.random() < 0.6 else _soup(dice)
    if dice.random() < 0.3:
        text += " ORDER BY " + ", ".join(dice.choice(FIELDS) for _ in range(dice.randint(1, 3)))
    chance = dice.random()
    if chance < 0.1 and text:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(DIRT + JOINTS) + text[at + dice.randint(0, 2) :]
    elif chance < 0.15:
        text = text[: dice.randrange(len(text) + 1)]
    return text


def _query(dice: random.Random, depth: int) -> str:
    chance = dice.random()
    if depth > 4 or chance < 0.5:
        operator = dice.choice(OPERATORS)
        clause = (
            f"{dice.choice(FIELDS)} {operator} {'' if operator == 'changed' else _operand(dice, operator)}"
        )
        if operator.startswith(("was", "changed")) and dice.random() < 0.5:
            clause += f" {dice.choice(JOINTS[-9:-2])} {dice.choice(VALUES)}"
        return clause
    if chance < 0.65:
        return f"({_query(dice, depth + 1)})"
    if chance < 0.75:
        return f"{dice.choice(['NOT ', '!', 'not '])}{_query(dice, depth + 1)}"
    return f"{_query(dice, depth + 1)} {dice.choice(JOINTS[:8])} {_query(dice, depth + 1)}"


def _operand(dice: random.Random, operator: str) -> str:
    if dice.random() < 0.1:
        return dice.choice(VALUES)
    if operator.lower().endswith("in"):
        return dice.choice(["(a, b)", '(1, "x", currentUser())', "openSprints()", "(EMPTY)"])
    if operator.lower().startswith("is"):
        return dice.choice(["EMPTY", "null"])
    return dice.choice([v for v in VALUES if not v.startswith("(")])


def _soup(dice: random.Random) -> str:
    words = FIELDS + OPERATORS + VALUES + JOINTS + DIRT
    return dice.choice([" ", "  ", ""]).join(dice.choice(words) for _ in range(dice.randint(0, 9)))
