"""Application: ``uvicorn examples.fastapi_service.main:app``."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from sqlalchemy import select, text
from sqlalchemy.orm import Session

import app_integration
from app_integration.integrations.fastapi import serve_metrics
from examples.fastapi_service.database import get_session
from examples.fastapi_service.models import Parcel
from examples.fastapi_service.settings import settings

DatabaseSession = Annotated[Session, Depends(get_session)]

app_integration.redaction.install()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Revoke the leased user and the token when the server stops."""
    yield
    await asyncio.to_thread(app_integration.close)


app = FastAPI(lifespan=lifespan)
serve_metrics(app)


@app.post("/parcels/{number}", status_code=201)
def add_parcel(number: str, session: DatabaseSession) -> None:
    """Store a parcel."""
    session.add(Parcel(number=number))
    session.commit()


@app.get("/parcels")
def list_parcels(session: DatabaseSession) -> dict[str, Any]:
    """Return a page of parcels, and the database user that has read them."""
    numbers = session.scalars(select(Parcel.number).limit(settings.page_size)).all()
    return {"numbers": numbers, "user": session.scalar(text("SELECT session_user"))}


@app.get("/links/{number}")
def sign_link(number: str) -> str:
    """Return the signature of a link to a parcel."""
    key = settings.signing_key.get_secret_value().encode()
    return hmac.new(key, number.encode(), "sha256").hexdigest()


@app.get("/fail")
def fail() -> None:
    """Raise an error with a secret in its message, which the log must not show."""
    raise ValueError(f"the carrier rejected {settings.carrier_token.get_secret_value()}")
