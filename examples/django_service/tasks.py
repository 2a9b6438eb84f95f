"""Tasks of Celery's worker."""

from __future__ import annotations

from celery import shared_task
from django.db import connection

from examples.django_service.models import Parcel


@shared_task  # type: ignore[untyped-decorator] # Celery has no types
def print_label(number: str) -> None:
    """Print the label of a parcel."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (user,) = cursor.fetchone()
    Parcel.objects.filter(number=number).update(printed_by=user)
