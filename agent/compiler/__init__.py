"""Compiler from a service author's template to the agent's template language, with its checks."""
