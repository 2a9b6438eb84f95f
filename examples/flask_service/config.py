"""Configuration of Flask."""

from __future__ import annotations

import os

from dotenv import load_dotenv

from app_integration import get_secret

load_dotenv()

SECRET_KEY = get_secret("secret-key").reveal()
PAGE_SIZE = int(os.environ.get("PAGE_SIZE", "10"))
