"""Django's settings. ``SECRET_KEY`` comes from the delivered config file."""

from __future__ import annotations

from app_integration.integrations.django.service import init
from examples.service_config import ServiceConfig

CONFIG = init(ServiceConfig)
SECRET_KEY = CONFIG.current().jwt.secret.get_secret_value()
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.support.services.django_site.urls"
DEFAULT_EXCEPTION_REPORTER = "app_integration.integrations.django.service.ScrubbingReporter"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
