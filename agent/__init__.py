"""Wrapper of Vault Agent: compiler of config templates, the agent's configuration, supervisor.

``compiler`` compiles a service author's template to the agent's template language, ``config_file``
writes the agent's configuration, ``supervisor`` keeps agents running on a machine without another
service manager, ``targets`` and ``jobs`` write the files for one.
"""
