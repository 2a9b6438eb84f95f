"""Settings of a Django project on leased users, for commands of ``python -m django``."""

from __future__ import annotations

import os

SECRET_KEY = "invented"
DATABASES = {
    "default": {
        "ENGINE": "app_integration.integrations.django.postgresql",
        "NAME": os.environ.get("SITE_DATABASE", ""),
        "CONN_MAX_AGE": None,
    }
}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
