"""Logging in, and what is sent where."""

import shutil
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer

import pytest
import requests

from aa1xr.archive.credentials import Credentials
from aa1xr.archive.portal import Portal
from aa1xr.archive.session import DOWNLOADS, SITE
from aa1xr.errors import DownloadError
from tests.archive.download.crcns_server import CRCNS, LOGIN, PAGE, PASSWORD, USERNAME, ZIP, Fault

FINCH = Credentials(USERNAME, PASSWORD)


def refusal(credentials: Credentials = FINCH) -> str:
    with Portal() as portal, pytest.raises(DownloadError) as caught:
        portal.login(credentials)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_login__accepted(crcns):
    with Portal() as portal:
        portal.login(FINCH)
        assert "aa-1" in (portal.read("filelist.txt") or "")
        assert portal.read("nothing.txt") is None
    assert [request.path for request in crcns.requests[:2]] == [LOGIN, PAGE]
    assert crcns.requests[0].headers["User-Agent"].startswith("aa1xr/")


@pytest.mark.parametrize("who", [Credentials("wren", PASSWORD), Credentials(USERNAME, "no")])
def test_login__wrong_name_or_password(who, crcns, pauses):
    message = refusal(who)
    assert f"refused the login of {who.username!r}" in message
    assert "Try them at http://127.0.0.1" in message
    assert "reviewed by hand" in message
    assert len(crcns.asked(LOGIN)) == 1
    assert pauses == []


def test_login__not_approved(crcns, pauses):
    crcns.approved = False
    message = refusal()
    assert "not approved yet" in message
    assert "Log in with a browser" in message
    assert "days" in message
    assert pauses == []


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [(LOGIN, 403, "not approved yet"), (PAGE, 403, "not approved yet"), (LOGIN, 404, "newer ver")],
)
def test_login__refused_by_status(path, status, says, crcns, pauses):
    crcns.faults[path] = [Fault(status=status)]
    assert says in refusal()
    assert pauses == []


# What is sent where


@pytest.fixture
def elsewhere(small_archive: bytes) -> Iterator[CRCNS]:
    """A server that is not CRCNS."""
    with CRCNS(small_archive) as server:
        yield server


@pytest.mark.parametrize("path", [LOGIN, PAGE])
@pytest.mark.parametrize("status", [302, 307, 308])
def test_login__redirects_elsewhere_are_not_followed(path, status, crcns, elsewhere, pauses):
    crcns.faults[path] = [Fault(status=status, location=f"{elsewhere.site}{LOGIN}")]
    message = refusal()
    assert f"redirects to {elsewhere.site}" in message
    assert "set a mirror with $AA1XR_CRCNS_SITE" in message
    assert elsewhere.requests == []
    assert pauses == []


@pytest.mark.parametrize(
    "location",
    ["http://download.crcns.org/aa-1", "//evil.example/", "http://[", "http://h:999999/"],
)
def test_stream__redirects_elsewhere_are_not_followed(location, crcns):
    crcns.faults[ZIP] = [Fault(location=location)]
    with Portal() as portal:
        portal.login(FINCH)
        with pytest.raises(DownloadError), portal.stream("crcns-aa1.zip", {}):
            pass


def test_stream__redirects_within_crcns_are_followed(crcns):
    crcns.faults[ZIP] = [Fault(location=f"{crcns.downloads}/aa-1/filelist.txt")]
    with Portal() as portal:
        portal.login(FINCH)
        with portal.stream("crcns-aa1.zip", {}) as response:
            assert response.text == crcns.filelist


def test_stream__redirects_without_end(crcns):
    crcns.faults[ZIP] = [Fault(location=ZIP)] * 100
    with Portal() as portal:
        portal.login(FINCH)
        with (
            pytest.raises(DownloadError, match="TooManyRedirects"),
            portal.stream("crcns-aa1.zip", {}),
        ):
            pass
    assert len(crcns.asked(ZIP)) == 6


def test_login__where_the_form_redirects_does_not_matter(crcns, monkeypatch):
    """Only the cookie counts; a Plone behind a proxy may well redirect to plain http."""
    with Portal() as portal:
        portal.login(FINCH)
        crcns.faults[LOGIN] = [Fault(location="http://crcns.org/welcome")]
        portal.login(FINCH)


def test_login__netrc_is_not_sent_as_a_header(crcns, no_account):
    netrc = no_account / ".netrc"
    netrc.touch(mode=0o600)
    netrc.write_text("machine 127.0.0.1 login someone password else")
    crcns.faults[PAGE] = [Fault(location=PAGE)]
    with requests.Session() as plain:
        plain.get(crcns.site)
    assert "Authorization" in crcns.requests.pop().headers  # what requests does by itself
    with Portal() as portal:
        portal.login(FINCH)
    assert len(crcns.requests) == 3
    assert not [r for r in crcns.requests if "Authorization" in r.headers]


def test_login__password_goes_into_one_request(crcns):
    with Portal() as portal:
        portal.login(FINCH)
        portal.read("filelist.txt")
    assert [request.path for request in crcns.requests if "s3cret" in str(request)] == [LOGIN]


# Addresses


@pytest.mark.parametrize("variable", [SITE[0], DOWNLOADS[0]])
@pytest.mark.parametrize(
    "url", ["http://crcns.org", "http://10.0.0.1", "ftp://127.0.0.1", "crcns.org", "https://", "/"]
)
def test_portal__insecure_addresses_are_refused(variable, url, monkeypatch):
    monkeypatch.setenv(variable, url)
    with pytest.raises(ValueError, match=rf"\${variable}=.*expected an https:// address"):
        Portal()


def test_portal__passwords_in_addresses_are_refused(monkeypatch):
    monkeypatch.setenv(SITE[0], f"https://finch:{PASSWORD}@crcns.org")
    with pytest.raises(ValueError, match="without a user name or password") as caught:
        Portal()
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://mirror.example/crcns/", "http://localhost:1", "http://[::1]:1", ""]
)
def test_portal__other_addresses(url, monkeypatch):
    monkeypatch.setenv(SITE[0], url)
    with Portal() as portal:
        assert portal.host in {"mirror.example", "localhost", "::1", "crcns.org"}


# The network


def free_port() -> int:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        return server.server_address[1]


def test_login__no_network(no_account, monkeypatch, pauses):
    monkeypatch.setenv(SITE[0], f"http://127.0.0.1:{free_port()}")
    message = refusal()
    assert "127.0.0.1 cannot be reached" in message
    assert "refused" in message.lower()
    assert "Is this machine online?" in message
    assert pauses == []


def test_login__proxy_is_not_there(no_account, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:pw@127.0.0.1:{free_port()}")
    message = refusal()
    assert "crcns.org cannot be reached through the proxy" in message
    assert "check $HTTPS_PROXY" in message
    assert "pw" not in message


class Refusing(socketserver.StreamRequestHandler):
    """A proxy that wants another account."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_login__proxy_refuses(no_account, monkeypatch):
    server = socketserver.TCPServer(("127.0.0.1", 0), Refusing)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
    with serving(server):
        message = refusal()
    assert "407" in message
    assert "check $HTTPS_PROXY" in message


def test_login__no_proxy_for_loopback(crcns, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with Portal() as portal:
        portal.login(FINCH)


def test_login__certificates_are_checked(no_account, monkeypatch, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {key} -out {certificate} "
        "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda request, client_address: None
    monkeypatch.setenv(SITE[0], f"https://127.0.0.1:{server.server_port}")
    with serving(server):
        message = refusal()
    assert "no secure connection to 127.0.0.1" in message
    assert "certificate verify failed" in message
    assert "$REQUESTS_CA_BUNDLE" in message
