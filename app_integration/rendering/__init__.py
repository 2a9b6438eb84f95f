"""Rendering of a config from its compiled template by the SDK, where no agent renders it."""
