"""Helpers of the SDK's own; the floors above may use them, applications must not."""
