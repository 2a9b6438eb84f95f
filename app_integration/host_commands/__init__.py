"""Commands for an application's host, such as ``python -m app_integration encrypt-file``."""
