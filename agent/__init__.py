"""Templates of configuration files: compiled for the agent, which renders and delivers them.

``compile`` turns what a service author writes into the agent's own template language; ``hcl``
writes the agent's configuration; ``run`` keeps the agent running.
"""
