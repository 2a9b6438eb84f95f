"""Client of an ASGI application in this process, with the cookies of one visitor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
from starlette.types import ASGIApp


class PageClient:
    """A visitor of *app*, which does not follow redirects."""

    def __init__(self, app: ASGIApp, address: str) -> None:
        self._app = app
        self._address = address
        self.cookies = httpx.Cookies()

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return asyncio.run(self._request(method, path, headers or {}))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.request("GET", path, headers)

    async def _request(self, method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(
            transport=transport, base_url=self._address, cookies=self.cookies
        ) as client:
            response = await client.request(method, path, headers=dict(headers))
            self.cookies = client.cookies
        return response
