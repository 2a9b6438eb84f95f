"""Application of Celery: ``celery -A examples.django_service worker``."""

from __future__ import annotations

import os

from celery import Celery

from app_integration.integrations.celery import use_leased_redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.django_service.settings")
app = Celery("tracking")
app.config_from_object("django.conf:settings", namespace="CELERY")
use_leased_redis(app)
app.autodiscover_tasks()
