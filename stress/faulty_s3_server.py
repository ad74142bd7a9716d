"""An S3 server that does to some requests what the client's access key says.

A key is fault-seed, for instance "busy-12". What is done to a request depends on the key, the
request and how often it was made alone, so a try can be repeated whatever else is under way.
"""

import io
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from tests.store.conftest import flipped

#: Of so many requests, one is spoiled.
ONE_IN = 10
#: Longer than a client waits (see `options`).
STALL = 2.5

Answer = Iterable[bytes]


def options(server, key: str) -> dict:
    """`storage_options` of a client that gives itself away by its key, and is not too patient."""
    config = {"read_timeout": 1, "connect_timeout": 2}
    return {**server.options, "key": key, "config_kwargs": config}


class Flaky:
    """The WSGI application between the server and who asks."""

    def __init__(self, application: Callable) -> None:
        self.application = application
        self.asked: Counter[tuple[str, str]] = Counter()
        self.spoiled: Counter[str] = Counter()  #: requests, by key
        self._lock = threading.Lock()

    def __call__(self, environ: dict, start_response: Callable) -> Answer:
        match = re.search(r"Credential=(\w+)-\d+/", environ.get("HTTP_AUTHORIZATION", ""))
        if not match or match[1] not in FAULTS:
            return self.application(environ, start_response)
        key = match[0].removeprefix("Credential=").removesuffix("/")
        request = "{REQUEST_METHOD} {PATH_INFO}?{QUERY_STRING}".format(**environ)
        with self._lock:
            self.asked[key, request] += 1
            number = self.asked[key, request]
        rng = random.Random(f"{key} {request} {number}")
        methods, spoil = FAULTS[match[1]]
        # What is said of objects is not said of listings and buckets.
        about = environ["REQUEST_METHOD"] in methods and (
            methods is ANY or ".zarr/" in environ["PATH_INFO"]
        )
        if not about or rng.randrange(ONE_IN):
            return self.application(environ, start_response)
        with self._lock:
            self.spoiled[key] += 1
        return spoil(self.application, environ, start_response, rng)

    def counts(self, fault: str) -> tuple[int, int]:
        """How many requests of its tries were spoiled, and how many there were."""
        with self._lock:
            spoiled = sum(n for key, n in self.spoiled.items() if _fault(key) == fault)
            asked = sum(n for (key, _), n in self.asked.items() if _fault(key) == fault)
        return spoiled, asked


def _fault(key: str) -> str:
    return key.rpartition("-")[0]


def _answer(application: Callable, environ: dict) -> tuple[bytes, str, list]:
    from werkzeug.test import run_wsgi_app

    body, status, headers = run_wsgi_app(application, environ, buffered=True)
    return b"".join(body), status, list(headers)


def _refuse(status: str, code: str) -> Callable:
    def refuse(application, environ, start_response, rng) -> Answer:
        _read(environ)
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body.encode()]

    return refuse


def _read(environ: dict) -> None:
    """Read what was sent, else the client sees its connection reset while it sends."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))


def _drop(application, environ, start_response, rng) -> Answer:
    """Hang up; half of the time, when all is done."""
    if rng.random() < 0.5:
        _answer(application, environ)
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def _cut(application, environ, start_response, rng) -> Answer:
    """Announce all, send a part, hang up."""
    body, status, headers = _answer(application, environ)
    if not body:
        return _drop(application, environ, start_response, rng)
    start_response(status, headers)
    return [body[: rng.randrange(len(body))]]


def _slow(application, environ, start_response, rng) -> Answer:
    body, status, headers = _answer(application, environ)
    time.sleep(rng.uniform(0, 0.5))
    start_response(status, headers)
    middle = rng.randint(0, len(body))

    def parts() -> Answer:
        yield body[:middle]
        time.sleep(rng.uniform(0, 0.5))
        yield body[middle:]

    return parts()


def _stall(application, environ, start_response, rng) -> Answer:
    """Take the request and say nothing."""
    time.sleep(STALL)
    return _drop(application, environ, start_response, rng)


def _change(change: Callable[[bytes, random.Random], bytes]) -> Callable:
    """Send something else than is there, and its length."""

    def spoil(application, environ, start_response, rng) -> Answer:
        body, status, headers = _answer(application, environ)
        if body:
            body = change(body, rng)
        said = {"content-length", "etag"}
        headers = [(name, value) for name, value in headers if name.lower() not in said]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return spoil


def flip(data: bytes, rng: random.Random) -> bytes:
    """One bit of it is another."""
    return flipped(data, rng.randrange(8 * len(data)))


def shorten(data: bytes, rng: random.Random) -> bytes:
    """Its beginning."""
    return data[: rng.randrange(len(data))]


def _keep(change: Callable[[bytes, random.Random], bytes | None]) -> Callable:
    """Take what is written, say so, and keep something else, or nothing."""

    def spoil(application, environ, start_response, rng) -> Answer:
        from moto.s3.models import s3_backends

        body, status, headers = _answer(application, environ)
        _, bucket, name = environ["PATH_INFO"].split("/", 2)
        objects = s3_backends["123456789012"]["aws"].buckets[bucket].keys
        if status.startswith("200") and name in objects:
            kept = change(objects[name].value, rng) if objects[name].value else b""
            if kept is None:
                objects.pop(name)
            else:
                objects[name].value = kept
        start_response(status, headers)
        return [body]

    return spoil


ANY = ("GET", "HEAD", "PUT", "POST", "DELETE")

#: What is done, and to which requests.
FAULTS: dict[str, tuple[tuple[str, ...], Callable]] = {
    "busy": (ANY, _refuse("503 Slow Down", "SlowDown")),
    "broken": (ANY, _refuse("500 Internal Server Error", "InternalError")),
    "dropped": (ANY, _drop),
    "cut": (ANY, _cut),
    "slow": (ANY, _slow),
    "stalled": (ANY, _stall),
    "forbidden": (ANY, _refuse("403 Forbidden", "AccessDenied")),
    "absent": (("GET", "HEAD"), _refuse("404 Not Found", "NoSuchKey")),
    "short": (("GET",), _change(shorten)),
    "flipped": (("GET",), _change(flip)),
    "kept_flipped": (("PUT",), _keep(flip)),
    "kept_short": (("PUT",), _keep(shorten)),
    "lost": (("PUT",), _keep(lambda data, rng: None)),
}
