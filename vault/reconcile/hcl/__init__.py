"""Policies as HCL: their syntax, and the rules that they mean."""
