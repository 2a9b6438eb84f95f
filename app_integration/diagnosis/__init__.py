"""Diagnosis of a service: the first of its parts that does not work, and what to do."""
