"""The config file that the agent delivers: reading, checking and watching it, and its delivery."""

from app_integration.config.loader import ConfigFile

__all__ = ["ConfigFile"]
