"""Entry point of the Django service: ``python -m tests.support.services.django_service PORT``."""

from __future__ import annotations

import os
import signal
import sys

from django.core.wsgi import get_wsgi_application
from waitress import serve  # type: ignore[import-untyped] # it ships no types

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.services.django_site.settings"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(get_wsgi_application(), host="127.0.0.1", port=int(sys.argv[1]))
