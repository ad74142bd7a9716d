"""A stand-in for CRCNS: two real HTTP servers on loopback that speak the protocol of June 2026.

One takes logins, the other serves the data set to whoever brings the cookie. What goes wrong on
the way can be scripted, path by path and request by request, and all that came in is kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import struct
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from aa1xr.archive.read import SIMULATION

USERNAME = "finch"
#: With what each way of writing it down would have to quote.
PASSWORD = "s3cret p@ss/wörd&%=ü"

ZIP = "/aa-1/crcns-aa1.zip"
FILELIST = "/aa-1/filelist.txt"
CHECKSUMS = "/aa-1/checksums.md5"
PAGE = "/aa-1"
LOGIN = "/login_form"

_FORM = {"__ac_name", "__ac_password", "form.submitted", "js_enabled", "pwd_empty", "submit"}
_LOGIN_PAGE = b"""<html><h1>Login Required</h1><p>Login below</p><form action="login_form">
<input name="__ac_name"><input type="password" name="__ac_password"></form></html>"""
_PIECE = 2**13


def pass_for_recorded(simulated: Path, path: Path) -> Path:
    """Write an archive again without what says that it is simulated."""
    with zipfile.ZipFile(simulated) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            if info.filename != SIMULATION:
                target.writestr(info, source.read(info), zipfile.ZIP_DEFLATED)
    return path


@dataclass
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str = ""
    sent: int = 0  #: bytes of the body of the answer

    @property
    def start(self) -> int:
        """Where the range that was asked for begins."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request, instead of the answer or with it."""

    status: int | None = None  #: answer this
    location: str | None = None  #: redirect there
    cut: int | None = None  #: close the connection after so many bytes of the body
    reset: bool = False  #: reset the connection instead of an answer
    silence: float = 0  #: seconds without a word
    html: bool = False  #: answer 200 and the login page
    body: bytes | None = None  #: answer this
    endless: bool = False  #: never stop answering
    headers: Mapping[str, str] = field(default_factory=dict)  #: of such an answer
    reason: str | None = None  #: the words beside the status


@dataclass
class CRCNS:
    """The two servers and what they know. Use it as a context manager."""

    archive: bytes
    etag: str | None = '"version-1"'
    last_modified: str | None = "Fri, 06 Nov 2009 08:00:00 GMT"
    ranges: bool = True  #: False: Range is ignored
    lengths: bool = True  #: False: no Content-Length with the archive
    approved: bool = True
    pause: float = 0  #: seconds between pieces of 8 KiB
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        size, md5 = len(self.archive), hashlib.md5(self.archive).hexdigest()
        self.filelist: str | None = (
            f"# files of aa-1\n README.txt\t4942 (5 KB)\n+crcns-aa1.zip\t{size} (17 MB)\n"
        )
        self.checksums: str | None = f"{md5[::-1]}  README.txt\n{md5}  ./crcns-aa1.zip\n"
        self.sessions: set[str] = set()
        self._servers = [_Server(self, _Site), _Server(self, _Downloads)]
        self.site, self.downloads = (server.url for server in self._servers)

    def __enter__(self) -> Self:
        for server in self._servers:
            # Looked at often, so that it stops soon.
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes aa1xr speak to it, with an account it knows."""
        return {
            "AA1XR_CRCNS_SITE": self.site,
            "AA1XR_CRCNS_DOWNLOADS": self.downloads,
            "CRCNS_USERNAME": USERNAME,
            "CRCNS_PASSWORD": PASSWORD,
        }

    def asked(self, path: str) -> list[Request]:
        """The requests for a path, in the order in which they came."""
        return [request for request in self.requests if request.path == path]

    @property
    def sent(self) -> int:
        """Bytes of the archive that were sent."""
        return sum(request.sent for request in self.asked(ZIP))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, crcns: CRCNS, handler: type[_Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.crcns = crcns
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is nothing to write about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: Any) -> None:
        """What came in is kept in `CRCNS.requests`."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        self.crcns = self.server.crcns
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.request_ = Request(self.command, self.path, dict(self.headers), body)
        self.crcns.requests.append(self.request_)
        faults = self.crcns.faults[self.path]
        self.fault = faults.pop(0) if faults else Fault()
        time.sleep(self.fault.silence)
        if self.fault.reset:
            # With a linger of no time, closing is a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.rfile.close()
            self.connection.close()
        elif self.fault.endless:
            self.reply_endlessly()
        elif self.fault.location:
            self.reply(b"", self.fault.status or 302, {"Location": self.fault.location})
        elif self.fault.body is not None:
            self.reply(self.fault.body, headers=self.fault.headers)
        elif self.fault.status:
            self.reply(b"no", self.fault.status)
        elif self.fault.html:
            self.reply_html(_LOGIN_PAGE)
        else:
            self.answer()

    def answer(self) -> None:
        raise NotImplementedError

    def reply_endlessly(self) -> None:
        fault = self.fault
        self.send_response(fault.status or (302 if fault.location else 200))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        if fault.location:
            self.send_header("Location", fault.location)
        self.end_headers()
        self.close_connection = True
        while True:  # until the client closes the connection
            self.request_.sent += _PIECE
            self.wfile.write(b"<" * _PIECE)

    def reply_html(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.reply(body, 200, {"Content-Type": "text/html; charset=utf-8"} | dict(headers or {}))

    def reply(
        self,
        body: bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        length: bool = True,
    ) -> None:
        self.send_response(status, self.fault.reason)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        cut = self.fault.cut
        self.close_connection = cut is not None or not length
        self.end_headers()
        for start in range(0, len(body) if cut is None else cut, _PIECE):
            stop = min(start + _PIECE, len(body) if cut is None else cut)
            self.request_.sent += stop - start  # before the client can look
            self.wfile.write(body[start:stop])
            time.sleep(self.crcns.pause)


class _Site(_Handler):
    """crcns.org: the login form."""

    def answer(self) -> None:
        form = {name: values[0] for name, values in parse_qs(self.request_.body).items()}
        account = (form.get("__ac_name"), form.get("__ac_password"))
        if self.path != LOGIN:
            self.reply(b"not here", 404)
        elif not form.keys() >= _FORM or account != (USERNAME, PASSWORD):
            self.reply_html(_LOGIN_PAGE)
        else:
            self.crcns.sessions.add(session := secrets.token_hex(16))
            cookie = {"Set-Cookie": f"__ac={session}; Path=/; HttpOnly"}
            self.reply_html(b"<html>You are now logged in</html>", cookie)


class _Downloads(_Handler):
    """download.crcns.org: the data set, for those who are logged in."""

    def answer(self) -> None:
        session = self.headers.get("Cookie", "").removeprefix("__ac=")
        if session not in self.crcns.sessions or not self.crcns.approved:
            self.reply_html(_LOGIN_PAGE)
        elif self.path == PAGE:
            self.reply_html(f"<html>Logged in\nas <b>{USERNAME}</b> (logout)</html>".encode())
        elif self.path == FILELIST and self.crcns.filelist is not None:
            self.reply(self.crcns.filelist.encode(), headers={"Content-Type": "text/plain"})
        elif self.path == CHECKSUMS and self.crcns.checksums is not None:
            self.reply(self.crcns.checksums.encode())
        elif self.path == ZIP:
            self._archive()
        else:
            self.reply(b"not here", 404)

    def _archive(self) -> None:
        whole, start = self.crcns.archive, self.request_.start
        etag, modified = self.crcns.etag, self.crcns.last_modified
        headers = {"Content-Type": "application/zip"}
        headers |= {"ETag": etag} if etag else {}
        headers |= {"Last-Modified": modified} if modified else {}
        condition = self.headers.get("If-Range")
        same = condition in {None, etag, modified} and not (condition or "").startswith("W/")
        if "Range" not in self.headers or not self.crcns.ranges or not same:
            self.reply(whole, 200, headers, length=self.crcns.lengths)
        elif start >= len(whole):
            self.reply(b"", 416, {"Content-Range": f"bytes */{len(whole)}"})
        else:
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
            self.reply(whole[start:], 206, headers)
