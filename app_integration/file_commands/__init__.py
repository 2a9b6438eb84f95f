"""Commands for encrypted files, such as ``python -m app_integration encrypt-file``."""
