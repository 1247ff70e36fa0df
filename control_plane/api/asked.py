"""The use cases as routes ask for them."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from control_plane.api.services import ApiServices


def services_of(request: Request) -> ApiServices:
    """The services of the application that answers this request."""
    return cast(ApiServices, request.app.state.services)


Services = Annotated[ApiServices, Depends(services_of)]
