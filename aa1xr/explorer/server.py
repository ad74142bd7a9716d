"""The server of the page: on loopback alone, with a secret in its address."""

from __future__ import annotations

import asyncio
import secrets
import threading
from concurrent.futures import Future
from html import escape

import panel as pn
import xarray as xr
from panel.io.server import get_server
from tornado.ioloop import IOLoop

from aa1xr.explorer.data import Data
from aa1xr.explorer.page import make_page
from aa1xr.printable import without_secrets

#: The only address that other machines cannot reach.
_ADDRESS = "127.0.0.1"
_START_S = 60


class Explorer:
    """A running explorer. A notebook shows it as its page.

    Attributes
    ----------
    url : str
        The address of the page. It ends with a secret. Each user of this machine who knows it can
        see the data.
    """

    url: str

    def __init__(self, ds: xr.Dataset, *, port: int, source: str | None) -> None:
        pn.config.session_history = 0
        self._data = Data(ds)
        self._source = without_secrets(source or self._data.source)
        started: Future[tuple[str, IOLoop]] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(port, started), name="aa1xr-explore", daemon=True
        )
        self._thread.start()
        try:
            self.url, self._loop = started.result(_START_S)
        except BaseException:
            self._data.close()
            raise

    def _run(self, port: int, started: Future[tuple[str, IOLoop]]) -> None:
        """Serve, in a thread with a loop of its own: that of a notebook is busy with cells."""
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = IOLoop.current()
        secret = secrets.token_urlsafe(24)
        try:
            server = get_server(
                {"/": lambda: make_page(self._data, source=self._source)},
                port=port,
                address=_ADDRESS,
                # All that the server has is below it, the websocket too.
                prefix=secret,
                loop=loop,
                show=False,
                start=False,
                title="aa1xr explore",
                check_unused_sessions_milliseconds=2000,
                unused_session_lifetime_milliseconds=10_000,
            )
            server.start()
        except BaseException as error:  # noqa: BLE001 - raised where the server was asked for
            started.set_exception(error)
            return
        started.set_result((f"http://localhost:{server.port}/{secret}/", loop))
        loop.start()
        server.stop()
        loop.close(all_fds=True)

    def wait(self) -> None:
        """Return when the server has stopped, as an interrupt does."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def stop(self) -> None:
        """Stop the server. Pages that are open say so."""
        if self._thread.is_alive():
            self._loop.add_callback(self._loop.stop)
            self._thread.join(5)
        self._data.close()

    def __repr__(self) -> str:
        return f"<aa1xr.Explorer at {self.url}; .stop() ends it>"

    def _repr_html_(self) -> str:
        url = escape(self.url, quote=True)
        return (
            f'<iframe src="{url}" width="100%" height="1100" style="border:0" '
            'allow="clipboard-write; autoplay"></iframe>'
            f'<p><a href="{url}" target="_blank">Open in a tab of its own</a></p>'
        )
