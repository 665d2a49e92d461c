"""How views of ours appear in the OpenAPI description without each of them repeating it."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse

_PROBLEM = OpenApiResponse(
    OpenApiTypes.OBJECT, description="A problem document (RFC 9457): a sentence that says what to do."
)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # untyped in the library
    """API keys in the Authorization header."""

    target_class = "parley.web.api.BearerAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class ViewSchema(AutoSchema):
    """Names an operation after its view; what a view does not describe is a JSON object."""

    def get_operation_id(self) -> str:
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self.view).__name__.removesuffix("View")).lower()
        return f"{words}_{self.method.lower()}"

    def get_request_serializer(self) -> Any:
        return OpenApiTypes.OBJECT if self.method in ("POST", "PUT", "PATCH") else None

    def get_response_serializers(self) -> Any:
        if self.method == "DELETE":
            return {204: None, 404: _PROBLEM}
        return {200: OpenApiTypes.OBJECT, 400: _PROBLEM, 401: _PROBLEM, 403: _PROBLEM, 404: _PROBLEM}
