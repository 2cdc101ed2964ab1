"""How long everything about a refresh takes; as in `limits.py`, or shrunk for a trial."""

from dataclasses import dataclass, fields

from gateway import limits


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds."""

    skew_least: float = limits.REFRESH_SKEW_SECONDS[0]
    skew_most: float = limits.REFRESH_SKEW_SECONDS[1]
    margin: float = limits.GRANT_SKEW_SECONDS
    """What is left of an access token that is still worth serving without waiting."""
    lease: float = limits.REFRESH_LEASE_SECONDS
    ask: float = limits.REFRESH_ASK_SECONDS
    wait: float = limits.REFRESH_WAIT_SECONDS
    poll: float = limits.REFRESH_POLL_SECONDS
    backoff_first: float = limits.REFRESH_BACKOFF_SECONDS[0]
    backoff_most: float = limits.REFRESH_BACKOFF_SECONDS[1]
    save_pause: float = limits.REFRESH_SAVE_PAUSE_SECONDS
    sweep: float = limits.REFRESH_SWEEP_SECONDS
    tend: float = limits.REFRESH_TEND_SECONDS
    idle: float = limits.REFRESH_IDLE_SECONDS
    notice: float = limits.REFRESH_NOTICE_SECONDS
    noted: float = limits.REFRESH_NOTED_SECONDS
    stop: float = limits.REFRESH_STOP_SECONDS

    def shrunk(self, factor: float) -> "Pace":
        """All of it divided by `factor`."""
        return Pace(**{one.name: getattr(self, one.name) / factor for one in fields(self)})
