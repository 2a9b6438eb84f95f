"""Settings of Django."""

from __future__ import annotations

import os

from dotenv import load_dotenv

from app_integration import get_secret, redaction, verification_keys

load_dotenv()
redaction.install()

SECRET_KEY = get_secret("secret-key").reveal()
SECRET_KEY_FALLBACKS = [key.reveal() for key in verification_keys("secret-key")]
PAGE_SIZE = int(os.environ.get("PAGE_SIZE", "10"))
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["examples.django_service"]
ROOT_URLCONF = "examples.django_service.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DEFAULT_EXCEPTION_REPORTER = "app_integration.integrations.django.service.ScrubbingReporter"

DATABASES = {
    "default": {
        "ENGINE": "app_integration.integrations.django.postgresql",
        "CONN_MAX_AGE": None,
    }
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
