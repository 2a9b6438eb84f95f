"""Route that places an order."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from examples.gaara_store.auth import require_user
from examples.gaara_store.orders import MAX_ITEM
from examples.gaara_store.routes.account import own_profile
from examples.gaara_store.store import current_store

blueprint = Blueprint("orders", __name__)


class OrderRequest(BaseModel):
    """What a customer orders."""

    model_config = ConfigDict(extra="forbid")

    item: Annotated[str, Field(min_length=1, max_length=MAX_ITEM, pattern=r"^[^\x00-\x1f\x7f]+$")]
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1


@blueprint.post("/orders")
@require_user
def place(user_id: UUID) -> Response:
    """Store an order, announce it to the mail worker, and return its id."""
    order = OrderRequest.model_validate_json(request.get_data())
    store = current_store()
    recipient = own_profile(user_id).email
    order_id = store.orders.place(
        user_id,
        order.item,
        order.quantity,
        now=datetime.now(UTC),
        announce=partial(store.order_queue.add, recipient=recipient),
    )
    response = jsonify(id=str(order_id))
    response.status_code = HTTPStatus.CREATED
    return response
