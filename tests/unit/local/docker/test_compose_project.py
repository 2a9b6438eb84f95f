"""Variables that a compose project is run with."""

from __future__ import annotations

import pytest

from local.docker.compose_project import server_binary


@pytest.mark.parametrize(
    ("image", "binary"),
    [
        (None, "bao"),
        ("", "bao"),
        ("openbao/openbao:2.7.2", "bao"),
        ("registry.example.com:5000/vault/openbao", "bao"),
        ("hashicorp/vault:2.1.2", "vault"),
        ("hashicorp/vault:2.1.2@sha256:c2f666", "vault"),
        ("hashicorp/vault@sha256:c2f666", "vault"),
        ("registry.example.com:5000/vault", "vault"),
        ("hashicorp/vault-enterprise:2.1.2-ent", "vault"),
    ],
)
def test_program_of_the_server_follows_from_the_name_of_its_image(
    image: str | None, binary: str
) -> None:
    assert server_binary({} if image is None else {"VAULT_IMAGE": image}) == binary


def test_program_that_is_named_is_taken_for_any_image() -> None:
    assert (
        server_binary({"VAULT_IMAGE": "example.com/secrets:1", "VAULT_BINARY": "vault"}) == "vault"
    )
