"""Wrapper of Vault Agent: compiler of config templates, the agent's configuration, supervisor.

``compiler`` compiles a service author's template to the agent's template language, ``config_file``
writes the agent's configuration, ``supervisor`` keeps the agent running.
"""
