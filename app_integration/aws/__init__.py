"""Requests to AWS under one deadline, with errors of the SDK's own tree."""
