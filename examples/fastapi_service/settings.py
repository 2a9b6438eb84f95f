"""Settings of the service. The marked ones are secrets."""

from __future__ import annotations

from typing import Annotated

from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource


class Settings(BaseSettings):
    """Values of the process, read once."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    carrier_token: Annotated[SecretStr, FromStrongroom()]
    signing_key: Annotated[SecretStr, FromStrongroom()]
    page_size: int = 10

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read secrets from Strongroom after all other sources."""
        usual = (init_settings, env_settings, dotenv_settings, file_secret_settings)
        return (*usual, StrongroomSource(settings_cls))


settings = Settings()
