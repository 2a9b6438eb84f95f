"""HTTP server that responds to each GET alike, whatever is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def responding(status: int, body: bytes, pause: float = 0, missing: int = 0) -> Iterator[str]:
    """Run the server, and yield its address.

    Args:
        status: Status of the response.
        body: Its body.
        pause: Seconds between two bytes.
        missing: Number of bytes that are announced, but do not come.

    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body) + missing))
            self.end_headers()
            for part in [body[i : i + 1] for i in range(len(body))] if pause else [body]:
                self.wfile.write(part)
                time.sleep(pause)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # the client closes early
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
