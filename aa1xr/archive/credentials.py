"""Who logs in to CRCNS: arguments, the environment, .netrc or, on a terminal, a prompt."""

from __future__ import annotations

import getpass
import netrc
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from aa1xr.errors import DownloadError
from aa1xr.messages import logger
from aa1xr.printable import one_line

USERNAME, PASSWORD = "CRCNS_USERNAME", "CRCNS_PASSWORD"

REGISTER = (
    "Accounts are free: https://crcns.org/register. They are reviewed by hand, so that it can "
    "take days until a new one works."
)


@dataclass(frozen=True)
class Credentials:
    """A user name and a password that no repr, log or message shows."""

    username: str
    password: str = field(repr=False)


def find_credentials(username: str | None, password: str | None, *, host: str) -> Credentials:
    """What is given, else the environment's, else .netrc's for `host`, else what the user types."""
    username = username or os.environ.get(USERNAME)
    password = password or os.environ.get(PASSWORD)
    if not password and (entry := _netrc_entry(host)) and username in {None, "", entry.username}:
        return entry
    if not (username and password) and on_terminal():
        username, password = _ask(username, password, host)
    if not (username and password):
        missing = ", ".join(
            what for what, there in (("user name", username), ("password", password)) if not there
        )
        raise DownloadError(
            f"the download from {host} needs an account there; missing: {missing}. "
            "Four ways to give them:\n"
            '  1. aa1xr.open(download=True, username="...", password="...");\n'
            f"  2. the environment: ${USERNAME} and ${PASSWORD};\n"
            f"  3. a line `machine {host} login ... password ...` in ~/.netrc;\n"
            "  4. `aa1xr download` on a terminal, which asks for them.\n"
            f"{REGISTER}"
        )
    return Credentials(username, password)


def on_terminal() -> bool:
    """Whether somebody is there to read a question and answer it."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _ask(username: str | None, password: str | None, host: str) -> tuple[str, str]:
    try:
        if not username:
            # On standard error: standard output may be a pipe that takes the store's path.
            print(f"User name at {host}: ", end="", file=sys.stderr, flush=True)
            username = input().strip()
        return username, password or getpass.getpass(f"Password of {username} at {host}: ")
    except EOFError:
        return username or "", ""


def _netrc_entry(host: str) -> Credentials | None:
    """The entry for `host` alone: a `default` entry was not meant for CRCNS."""
    named = os.environ.get("NETRC")
    try:
        home = Path.home()
    except RuntimeError:  # a container without $HOME and without an entry in passwd
        home = None
    paths = [Path(named)] if named else [home / ".netrc", home / "_netrc"] if home else []
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    try:
        _refuse_shared(path)
        hosts = netrc.netrc(path).hosts
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        # The error's own text is left out, since it may quote a password.
        line = getattr(error, "lineno", None)
        logger.warning(
            "%s%s cannot be read and is passed over; check its syntax, and that only you may "
            "read it (chmod 600)",
            path,
            f", near line {line}," if line else "",
        )
        return None
    login, _, password = hosts.get(host, ("", "", ""))
    return Credentials(login, password) if login and password else None


def _refuse_shared(path: Path) -> None:
    """Refuse a file of passwords that others can read or wrote, wherever it is.

    The library does so for ~/.netrc alone, not for one that $NETRC names.
    """
    if os.name == "posix":
        found = path.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{one_line(path)} is open to others")
