"""An HTTP session that speaks to CRCNS alone, and says what to do when it cannot."""

from __future__ import annotations

import io
import ipaddress
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions
from requests.cookies import extract_cookies_to_jar
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, MaxRetryError

from aa1xr.errors import DownloadError
from aa1xr.printable import printable
from aa1xr.version import VERSION

SITE = "AA1XR_CRCNS_SITE", "https://crcns.org"
DOWNLOADS = "AA1XR_CRCNS_DOWNLOADS", "https://download.crcns.org"

#: Seconds to wait for a connection, and for the next byte: the server may have to fetch the
#: archive from cold storage.
TIMEOUT = (15, 120)

#: A page or list of CRCNS has a few kB: more, or slower, is not CRCNS.
PAGE_BYTES, PAGE_SECONDS = 2**20, 60

BY_HAND = (
    "The archive can also be fetched with a browser: https://crcns.org/data-sets/aa/aa-1; "
    "then aa1xr.open(path) reads it."
)


class TemporaryError(DownloadError):
    """A failure that another attempt may not meet."""


class Session(requests.Session):
    """Speaks to the hosts of the given URLs alone, and adds no credentials by itself."""

    def __init__(self, *urls: str) -> None:
        super().__init__()
        self._origins = {_origin(url) for url in urls}
        self.max_redirects = 5
        self.headers["User-Agent"] = f"aa1xr/{VERSION}"
        # A compressed body would not have the size of the file, nor its ranges.
        self.headers["Accept-Encoding"] = "identity"
        # With none, requests would send what .netrc has for the host as an Authorization header.
        self.auth = lambda request: request
        self.hooks["response"].append(self._drop_body_of_redirect)

    def knows(self, url: str) -> bool:
        """Whether this URL may be spoken to."""
        return _origin(url) in self._origins

    def ask(
        self,
        method: str,
        url: str,
        *,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> requests.Response:
        """`request` with the body unread, or a DownloadError that says what to do."""
        try:
            response = self.request(
                method,
                url,
                data=data,
                headers=headers,
                stream=True,
                allow_redirects=follow,
                timeout=TIMEOUT,
            )
        except (exceptions.RequestException, ValueError) as error:  # a redirect may be malformed
            raise _explained(error, urlsplit(url).hostname or "") from error
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.lower() != "identity":
            response.close()
            raise DownloadError(
                f"{shown_url(response)} answers with Content-Encoding {printable(coding)}, which "
                f"aa1xr did not ask for. Something on the way may change files. {BY_HAND}"
            )
        return response

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send to a host that is known, whether asked or redirected there, or not at all."""
        url = request.url or ""
        if not self.knows(url):
            raise astray(url)
        if url.startswith("http:"):
            # This is loopback, and a proxy would carry the password off the machine in plain text.
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)

    def _drop_body_of_redirect(self, response: requests.Response, **_: Any) -> None:
        """Nobody needs it, and requests would read all of it, whatever its size."""
        if response.is_redirect:
            # Cookies are read from what is dropped here.
            extract_cookies_to_jar(  # type: ignore[no-untyped-call]
                self.cookies, response.request, response.raw
            )
            response.raw.close()
            response.raw = HTTPResponse(io.BytesIO(), preload_content=False)

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Add no Authorization header after a redirect either."""


def read_page(response: requests.Response) -> str:
    """The text of a page or list, or DownloadError if it is not small or does not come in time."""
    page = bytearray()
    end = time.monotonic() + PAGE_SECONDS
    try:
        while piece := response.raw.read1(2**16, decode_content=False):
            page += piece
            if len(page) > PAGE_BYTES:
                raise DownloadError(
                    f"{shown_url(response)}: expected a small page, and more than {PAGE_BYTES} "
                    f"bytes came. {BY_HAND}"
                )
            if time.monotonic() > end:
                raise TemporaryError(f"{shown_url(response)} did not end in {PAGE_SECONDS} s")
    except HTTPError as error:
        raise TemporaryError(f"{shown_url(response)} broke off ({type(error).__name__})") from error
    return page.decode("utf-8", "replace")


def shown_url(response: requests.Response) -> str:
    """The address of an answer without its query, to be shown."""
    return printable(response.url.partition("?")[0])


def base_url(variable: str, default: str) -> str:
    """The base URL that the environment gives, which must be safe to send a password to."""
    url = (os.environ.get(variable) or default).rstrip("/")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError(f"${variable}: expected an address without a user name or password")
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    if not secure or not parts.hostname:
        raise ValueError(
            f"${variable}={url!r}; expected an https:// address (http:// for loopback only)"
        )
    return url


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _origin(url: str) -> str:
    """Scheme and host, with the port if it is not the scheme's own."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host.removesuffix(':443' if parts.scheme == 'https' else ':80')}"


def astray(url: str) -> DownloadError:
    """What to say of a redirect to a host that is not CRCNS."""
    return DownloadError(
        f"CRCNS redirects to {printable(_origin(url))}, which aa1xr does not know as its own, and "
        "nothing was sent there. If CRCNS has moved, a newer aa1xr may know; set a mirror with "
        f"${SITE[0]} and ${DOWNLOADS[0]}. {BY_HAND}"
    )


def _explained(error: Exception, host: str) -> DownloadError:
    """What went wrong on the way to `host`, and what to do about it."""
    if isinstance(error, exceptions.ProxyError | exceptions.InvalidProxyURL):
        return DownloadError(
            f"{host} cannot be reached through the proxy ({_reason(error)}); check $HTTPS_PROXY "
            "and what your network asks for, or list the host in $NO_PROXY."
        )
    if isinstance(error, exceptions.SSLError):
        return DownloadError(
            f"no secure connection to {host} ({_reason(error)}). If your network inspects "
            "TLS, set $REQUESTS_CA_BUNDLE to its certificates."
        )
    if isinstance(error, exceptions.Timeout):
        return TemporaryError(f"{host} did not answer in time")
    if isinstance(error, exceptions.ConnectionError):
        if error.args and isinstance(error.args[0], MaxRetryError):
            return DownloadError(
                f"{host} cannot be reached ({_reason(error)}). Is this machine online? Behind a "
                f"proxy, set $HTTPS_PROXY. {BY_HAND}"
            )
        return TemporaryError(f"{host} closed the connection")
    if isinstance(error, exceptions.ChunkedEncodingError | exceptions.ContentDecodingError):
        return TemporaryError(f"{host} broke off its answer")
    return DownloadError(f"{host}: {type(error).__name__}. Try again later. {BY_HAND}")


def _reason(error: BaseException) -> str:
    """The innermost cause, without the addresses of objects and URLs around it."""
    for attribute in ("reason", "original_error"):
        if isinstance(inner := getattr(error, attribute, None), BaseException):
            return _reason(inner)
    if error.args and isinstance(error.args[0], BaseException):
        return _reason(error.args[0])
    return printable(str(error).rpartition(">: ")[2])
