"""The sandbox's passwords are public, so nothing but this machine may reach it."""

import ipaddress


def require_loopback(host: str) -> str:
    """`host`, when it is a loopback address or `localhost`. Raises `ValueError` for every other.

    A name is never resolved: what it points to may change between the check and the listening.
    """
    if host == "localhost":
        return host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ValueError(
            f"The sandbox listens on loopback only, not on {host!r}. Use 127.0.0.1, ::1 or localhost."
        )
    return host
