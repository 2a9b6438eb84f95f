"""A small online store on Strongroom: PostgreSQL, Redis, login tokens, an export by e-mail.

It shows how an application works without an ``.env`` file. ``README.md`` explains each file.
"""
