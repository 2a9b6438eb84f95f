"""Django project with Celery. ``docs/howto/Django.md`` moves it off its .env."""

from examples.django_service.celery import app as celery_app

__all__ = ["celery_app"]
