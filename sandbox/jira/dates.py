"""JQL's dates: literals, periods such as `-1w 2d`, and functions such as `startOfDay(-1d)`. All in UTC."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sandbox.jira.errors import JiraError

_FORMATS = ("%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y-%m-%d")
_PERIOD = re.compile(r"([+-]?)((?:\d{1,6}[wdhmMy]\s*)+)")
_PART = re.compile(r"(\d+)([wdhmMy])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 30 * 86_400, "y": 365 * 86_400}
_STARTS: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=(day.weekday() + 1) % 7),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
_NEXT: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda start: start + timedelta(days=1),
    "week": lambda start: start + timedelta(days=7),
    "month": lambda start: (start + timedelta(days=32)).replace(day=1),
    "year": lambda start: start.replace(year=start.year + 1),
}


def period(text: str) -> float | None:
    """Seconds of `-5d` or `4w 2d`; None when it is not a period."""
    found = _PERIOD.fullmatch(text.strip())
    if found is None:
        return None
    total = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(found[2]))
    return float(-total if found[1] == "-" else total)


def literal(field: str, text: str, now: float) -> float:
    """The moment that a literal names, Unix seconds. Raises `JiraError` 400."""
    away = period(text)
    if away is not None:
        return now + away
    for form in _FORMATS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise JiraError(
        400,
        f"Date value '{text}' for field '{field}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', "
        "'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'.",
    )


def function(name: str, arguments: tuple[str, ...], now: float) -> float | None:
    """The moment that a function names; None when it is no function of time. Raises `JiraError` 400."""
    if name.lower() == "now":
        return now
    found = re.fullmatch(r"(start|end)of(day|week|month|year)", name.lower())
    if found is None:
        return None
    edge, unit = found.groups()
    shift = arguments[0] if arguments else "0d"
    away = period(shift if shift[-1:].isalpha() else f"{shift}{unit[0] if unit != 'month' else 'M'}")
    if away is None:
        raise JiraError(400, f"The argument '{shift}' of the function '{name}' is not a period.")
    try:
        day = datetime.fromtimestamp(now + away, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        start = _STARTS[unit](day)
        return start.timestamp() if edge == "start" else _NEXT[unit](start).timestamp() - 0.001
    except (ValueError, OverflowError, OSError):
        raise JiraError(
            400, f"The argument '{shift}' of the function '{name}' leaves the calendar."
        ) from None
