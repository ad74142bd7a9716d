"""CRCNS as it works since June 2026: a login form, a session cookie, files on a second host.

pooch can neither log in by a form nor go on where a transfer broke off, and these two are all
there is to do here; so this is requests alone.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from aa1xr.archive.credentials import REGISTER, Credentials
from aa1xr.archive.session import (
    BY_HAND,
    DOWNLOADS,
    SITE,
    Session,
    TemporaryError,
    astray,
    base_url,
    read_page,
    shown_url,
)
from aa1xr.errors import DownloadError
from aa1xr.messages import logger
from aa1xr.printable import printable

DATA_SET = "aa-1"

#: Seconds before each further attempt.
PAUSES = (1, 2, 4, 8, 16)
#: Statuses under 500 that say "later".
_LATER = {408, 425, 429}

P = ParamSpec("P")
T = TypeVar("T")


def persistent(attempt: Callable[P, T]) -> Callable[P, T]:
    """Try again after each of PAUSES what fails with a TemporaryError.

    urllib3's own retries would not do: they end where a body begins.
    """

    @functools.wraps(attempt)
    def attempts(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in PAUSES:
            try:
                return attempt(*args, **kwargs)
            except TemporaryError as error:
                logger.info("%s; trying again in %g s", error, pause)
                time.sleep(pause)
        try:
            return attempt(*args, **kwargs)
        except TemporaryError as error:
            raise DownloadError(
                f"{error}. Tried {len(PAUSES) + 1} times in vain: try again later. What has come "
                "of the archive is kept, and the next call goes on from there."
            ) from error

    return attempts


class Portal:
    """A session with CRCNS; a context manager."""

    def __init__(self) -> None:
        self._site = base_url(*SITE)
        downloads = base_url(*DOWNLOADS)
        self._files = f"{downloads}/{DATA_SET}"
        self._session = Session(self._site, downloads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._session.close()

    @property
    def host(self) -> str:
        """Where one logs in."""
        return urlsplit(self._site).hostname or ""

    @persistent
    def login(self, credentials: Credentials) -> None:
        """Log in, and make sure that the data set is open to this account."""
        form = {
            "__ac_name": credentials.username,
            "__ac_password": credentials.password,
            "form.submitted": "1",
            "js_enabled": "0",
            "pwd_empty": "0",
            "submit": "Log in",
        }
        login = f"{self._site}/login_form"
        # It may well redirect to where a browser came from, which is of no use here.
        with self._session.ask("POST", login, data=form, follow=False) as response:
            _check(response)
            answer = read_page(response)
            if response.is_redirect and not self._session.cookies:
                target = urljoin(login, response.headers["Location"])
                if not self._session.knows(target):
                    raise astray(target)
        with self._session.ask("GET", self._files) as response:
            _check(response)
            page = re.sub(r"<[^<>]*>", " ", read_page(response))
        if re.search(r"logged\s+in\s+as", page, re.IGNORECASE):
            return
        # Both are 200 and HTML. A refused login shows the form again, or sets no cookie.
        if "__ac_password" in answer or not self._session.cookies:
            raise DownloadError(
                f"{self.host} refused the login of {credentials.username!r}: the user name or the "
                f"password is wrong, or the account is not approved yet. Try them at {login}. "
                f"{REGISTER}"
            )
        raise DownloadError(_no_access(f"{self._files} does not know the session"))

    @persistent
    def read(self, name: str) -> str | None:
        """A small text file of the data set; None where there is none."""
        with self._session.ask("GET", f"{self._files}/{name}") as response:
            if response.status_code == 404 or _is_html(response):
                return None
            _check(response)
            return read_page(response)

    @contextmanager
    def stream(self, name: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """A file of the data set, its body unread: 200, 206 or 416; otherwise a DownloadError."""
        url = f"{self._files}/{name}"
        with self._session.ask("GET", url, headers=headers) as response:
            _check(response)
            if _is_html(response):
                raise DownloadError(
                    f"{url}: expected a file, but an HTML page came: CRCNS shows its login page "
                    f"when a session has ended. Try again in a while. {BY_HAND}"
                )
            yield response


def _is_html(response: requests.Response) -> bool:
    return "html" in response.headers.get("Content-Type", "").lower()


def _check(response: requests.Response) -> None:
    """Raise if the status is an error; 416 is for who asked for a range."""
    status = response.status_code
    if response.ok or status == 416:
        return
    said = f"{shown_url(response)} answers {status} {printable(response.reason or '', longest=40)}"
    if status >= 500 or status in _LATER:
        raise TemporaryError(said)
    if status in {401, 403}:
        raise DownloadError(_no_access(said))
    if status == 404:
        raise DownloadError(
            f"{said}: CRCNS has moved it; look for a newer version of aa1xr. {BY_HAND}"
        )
    raise DownloadError(f"{said}, which aa1xr does not expect. Try again later. {BY_HAND}")


def _no_access(said: str) -> str:
    return (
        f"{said}: this account may not download {DATA_SET}, most likely because it is not "
        f"approved yet. Log in with a browser and see whether the data set opens. {REGISTER}"
    )
