"""Tables of the project."""

from __future__ import annotations

from django.db import models


class Parcel(models.Model):  # type: ignore[misc] # Django has no types
    """Parcel that the carrier has accepted, and the database user that printed its label."""

    number = models.TextField(primary_key=True)
    printed_by = models.TextField(default="")

    def __str__(self) -> str:
        """Return the number."""
        return str(self.number)
