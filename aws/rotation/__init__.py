"""Rotation function: what AWS Lambda runs to rotate secrets of Secrets Manager.

It imports the SDK and nothing else of this project, because its archive contains only the two.
"""
