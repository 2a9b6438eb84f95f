"""Servers of a local deployment, their accounts and their setup."""
