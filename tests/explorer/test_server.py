"""The server is reached from this machine only, and with the secret only."""

import gc
import http.client
import socket
from urllib.parse import urlsplit

import pytest

import aa1xr

pytest.importorskip("panel", reason="needs Panel, the extra explore")
# Libraries of these libraries warn each other.
pytestmark = pytest.mark.filterwarnings("ignore:::bokeh", "ignore:::panel")


@pytest.fixture(scope="module")
def explorer(sample_store):
    explorer = aa1xr.explore(aa1xr.open(sample_store))
    yield explorer
    explorer.stop()


def ask(url, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "bokeh, x",
}


def test_server__serves_with_the_secret(explorer):
    secret = urlsplit(explorer.url).path
    assert len(secret) > 30
    status, body = ask(explorer.url, secret)
    assert status == 200
    text = body.decode()
    assert "aa1xr explore" in text
    assert "https://" not in text.split("<body")[0]  # all scripts and styles are its own


@pytest.mark.parametrize(
    "path",
    ["/", "/ws", "/autoload.js", "/metadata", "/static/js/bokeh.min.js", "/components/x/y/css/z"],
)
def test_server__serves_nothing_without_the_secret(explorer, path):
    secret = urlsplit(explorer.url).path.strip("/")
    for wrong in ("", "/x", f"/{secret[:-1]}", f"/{secret.swapcase()}"):
        assert ask(explorer.url, wrong + path, **UPGRADE)[0] == 404, wrong + path


def test_server__refuses_websockets_of_other_sites(explorer):
    path = urlsplit(explorer.url).path + "ws"
    assert ask(explorer.url, path, Origin="http://evil.example", **UPGRADE)[0] == 403


def test_server__listens_on_loopback_alone(explorer):
    port = urlsplit(explorer.url).port
    with socket.socket() as other:
        other.settimeout(2)
        # What listens on all addresses would answer.
        assert other.connect_ex(("127.0.0.2", port)) != 0


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")  # tornado leaves one open
def test_server__port_in_use(explorer, sample_store):
    with pytest.raises(OSError, match="in use"):
        aa1xr.explore(aa1xr.open(sample_store), port=urlsplit(explorer.url).port)
    gc.collect()


def test_server__stops(sample_store):
    explorer = aa1xr.open(sample_store).aa1.explore()
    assert explorer.url in explorer._repr_html_()
    assert explorer.url in repr(explorer)
    explorer.stop()
    explorer.stop()
    explorer.wait()
    with pytest.raises(OSError, match=r"."):
        ask(explorer.url, "/")
