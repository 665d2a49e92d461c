"""Keeps tests from reaching a real provider: with the switch on, only this machine may be called."""

import ipaddress
import os
from urllib.parse import urlsplit

SWITCH = "PARLEY_FORBID_REMOTE_MODELS"


class RemoteModelForbidden(RuntimeError):
    """A model call would have left this machine while `PARLEY_FORBID_REMOTE_MODELS=1`."""


def is_switched_on() -> bool:
    """True when calls to other machines are forbidden. Read each time, so that a test can set it."""
    return os.environ.get(SWITCH, "") not in ("", "0", "false")


def switch_on() -> None:
    """Forbid calls to other machines in this process and the ones it starts."""
    os.environ[SWITCH] = "1"


def require_allowed(base_url: str | None) -> None:
    """Raise `RemoteModelForbidden` unless remote calls are allowed or the address is a loopback one.

    No address means a provider's public default, so that is remote.
    """
    if not is_switched_on() or (base_url is not None and _is_loopback(base_url)):
        return
    host = urlsplit(base_url).hostname if base_url else "the provider's own address"
    raise RemoteModelForbidden(
        f"A model call to {host} was stopped because {SWITCH}=1. Use parley.llm.fake.FakeProvider in tests."
    )


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
