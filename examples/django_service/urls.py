"""Views and routes of the project."""

from __future__ import annotations

import hmac
from typing import NoReturn

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from app_integration.integrations.django.service import metrics
from examples.django_service.models import Parcel
from examples.django_service.tasks import print_label


def parcels(_request: HttpRequest) -> JsonResponse:
    """Return a page of parcels, who printed their labels, and the database user of this request."""
    found = list(Parcel.objects.values_list("number", "printed_by")[: settings.PAGE_SIZE])
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (user,) = cursor.fetchone()
    numbers, printed_by = ([row[index] for row in found] for index in (0, 1))
    return JsonResponse({"numbers": numbers, "printed_by": printed_by, "user": user})


def add_parcel(_request: HttpRequest, number: str) -> HttpResponse:
    """Store a parcel, and have its label printed."""
    Parcel.objects.create(number=number)
    print_label.delay(number)
    return HttpResponse(status=201)


def sign_link(_request: HttpRequest, number: str) -> HttpResponse:
    """Return the signature of a link to a parcel."""
    signature = hmac.new(settings.SECRET_KEY.encode(), number.encode(), "sha256")
    return HttpResponse(signature.hexdigest())


def fail(_request: HttpRequest) -> NoReturn:
    """Raise an error with a secret in its message, which the log must not show."""
    raise ValueError(f"the session was signed with {settings.SECRET_KEY}")


urlpatterns = [
    path("parcels", parcels),
    path("parcels/<str:number>", add_parcel),
    path("links/<str:number>", sign_link),
    path("fail", fail),
    path("metrics", metrics),
]
