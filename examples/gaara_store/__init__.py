"""A small online store on Strongroom: PostgreSQL, Redis, login tokens, an export by e-mail.

It shows how an application gets along without an ``.env`` file; ``README.md`` says where to look.
"""
