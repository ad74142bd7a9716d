"""An S3 server on loopback that counts what it is asked."""

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """A bucket of moto's, and how `storage_options` reach it."""

    bucket: str
    url: str = ""
    requests: list[str] = field(default_factory=list)  #: "GET /bucket/key", as they came

    @property
    def options(self):
        return {"key": "someone", "secret": "something", "endpoint_url": self.url}

    def counting(self, application):
        def count(environ, start_response):
            self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            return application(environ, start_response)

        return count


@contextmanager
def serve(wrap=lambda application: application, *, bucket="aa1xr-tests"):
    """A server, while the block lasts. `wrap` may come between it and who asks (WSGI).

    All servers of a process have the same buckets, since moto keeps them.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        def handle_expect_100(self):
            """Leave it to werkzeug, which also does it: aiohttp cannot take a second one."""
            return True

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    ours = Server(bucket)
    application = ours.counting(wrap(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)
    ours.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield ours
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
