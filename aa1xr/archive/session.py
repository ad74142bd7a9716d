"""An HTTP session that speaks to CRCNS alone, and says what to do when it cannot."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions
from urllib3.exceptions import MaxRetryError

from aa1xr.errors import DownloadError
from aa1xr.version import VERSION

SITE = "AA1XR_CRCNS_SITE", "https://crcns.org"
DOWNLOADS = "AA1XR_CRCNS_DOWNLOADS", "https://download.crcns.org"

#: Seconds to wait for a connection, and for the next byte: the server may have to fetch the
#: archive from cold storage.
TIMEOUT = (15, 120)

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
        self.auth = _unchanged

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
        stream: bool = False,
        follow: bool = True,
    ) -> requests.Response:
        """`request`, with a DownloadError that says what to do if no answer comes."""
        try:
            return self.request(
                method,
                url,
                data=data,
                headers=headers,
                stream=stream,
                allow_redirects=follow,
                timeout=TIMEOUT,
            )
        except (exceptions.RequestException, ValueError) as error:  # a redirect may be malformed
            raise _explained(error, urlsplit(url).hostname or "") from error

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send to a host that is known, whether asked or redirected there, or not at all."""
        url = request.url or ""
        if not self.knows(url):
            raise astray(url)
        if url.startswith("http:"):
            # This is loopback, and a proxy would carry the password off the machine in plain text.
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Add no Authorization header after a redirect either."""


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


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
        f"CRCNS redirects to {_origin(url)}, which aa1xr does not know as its own, and nothing was "
        f"sent there. If CRCNS has moved, a newer aa1xr may know; a mirror can be set with "
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
    return str(error).rpartition(">: ")[2]
