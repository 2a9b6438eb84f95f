"""Database backend of Django for PostgreSQL, whose connections use leased database users.

>>> DATABASES = {                                                # doctest: +SKIP
...     "default": {
...         "ENGINE": "app_integration.integrations.django.postgresql",
...         "CONN_MAX_AGE": None,
...     }
... }

======================== ===================================================
:mod:`.base`             the connection, which Django imports
:mod:`.database_options` what the settings of a database may say
:mod:`.creation`         test databases, which a leased user may not create
:mod:`.client`           ``manage.py dbshell``
======================== ===================================================
"""
