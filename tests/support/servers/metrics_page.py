"""Target of Prometheus whose samples a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class MetricsPage:
    """A page of samples on a port of its own."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.samples: dict[str, float] = {}
        self.address = f"127.0.0.1:{server.server_port}"
        self._server = server

    @property
    def text(self) -> str:
        """Return the body of the page."""
        return "".join(f"{name} {value}\n" for name, value in self.samples.items())

    def stop(self) -> None:
        """Respond no more."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def metrics_page() -> Iterator[MetricsPage]:
    """Serve a page, empty at first, and yield it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    page = MetricsPage(server)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield page
    finally:
        page.stop()
        thread.join()
