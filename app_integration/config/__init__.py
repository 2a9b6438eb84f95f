"""Config files that the agent delivers: reading, validation, watching and delivery."""

from app_integration.config.loader import ConfigFile

__all__ = ["ConfigFile"]
