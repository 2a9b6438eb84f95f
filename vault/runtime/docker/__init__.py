"""The local deployment in containers."""
