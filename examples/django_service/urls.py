"""What it answers."""

from __future__ import annotations

from typing import NoReturn

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

from app_integration.integrations.django.service import metrics
from examples.service_config import fail, sign


def sign_text(request: HttpRequest) -> JsonResponse:
    """Sign the query's ``text``."""
    return JsonResponse(sign(request.GET["text"], settings.CONFIG.current()))


def fail_loudly(_request: HttpRequest) -> NoReturn:
    """Show what of a secret in an exception gets into the log."""
    fail(settings.CONFIG.current())


urlpatterns = [path("sign", sign_text), path("fail", fail_loudly), path("metrics", metrics)]
