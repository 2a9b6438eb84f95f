"""Views and routes of the Django service."""

from __future__ import annotations

from typing import NoReturn

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

from app_integration.integrations.django.service import metrics
from examples.service_config import fail, sign


def sign_text(request: HttpRequest) -> JsonResponse:
    """Return the signatures of the query parameter ``text``."""
    return JsonResponse(sign(request.GET["text"], settings.CONFIG.current()))


def fail_loudly(_request: HttpRequest) -> NoReturn:
    """Raise an exception that contains a secret, to show that the log redacts it."""
    fail(settings.CONFIG.current())


urlpatterns = [path("sign", sign_text), path("fail", fail_loudly), path("metrics", metrics)]
