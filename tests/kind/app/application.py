"""Application of the job on kind: a page for its health, and one for the value that it has read."""

from __future__ import annotations

import http.server
import os
from pathlib import Path

from pydantic import BaseModel

from app_integration.config.loader import load_config


class Config(BaseModel):
    """The delivered file."""

    token: str


class Pages(http.server.BaseHTTPRequestHandler):
    """The pages ``/health`` and ``/value``."""

    token = ""

    def do_GET(self) -> None:
        """Answer with the value, or with nothing."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.token.encode() if self.path == "/value" else b"")


if __name__ == "__main__":
    Pages.token = load_config(Config, Path(os.environ["STRONGROOM_CONFIG"])).token
    http.server.HTTPServer(("", 8000), Pages).serve_forever()
