"""Helpers of the SDK that are no part of its interface."""
