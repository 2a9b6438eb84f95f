"""Kinds of rotation: the steps for each kind of value."""
