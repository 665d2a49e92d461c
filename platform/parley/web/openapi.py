"""How views of ours appear in the OpenAPI description without each of them repeating it."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes

_PROBLEM = {
    "type": "object",
    "description": "A refusal (RFC 9457): `detail` is a sentence that says what to do, `errors` has some by field.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}
_LINK = {"type": "string", "format": "uri", "nullable": True}
_PAGING = [
    {
        "name": "limit",
        "in": "query",
        "description": "How many to a page, 200 at most.",
        "schema": {"type": "integer", "default": 50},
    },
    {
        "name": "cursor",
        "in": "query",
        "description": "Where the page begins, as `next` and `previous` say it.",
        "schema": {"type": "string"},
    },
]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # untyped in the library
    """API keys in the Authorization header."""

    target_class = "parley.web.api.BearerAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class ViewSchema(AutoSchema):
    """Names an operation after its view; what a view does not describe is a JSON object.

    A list is a page of it, and whatever is not described is a refusal.
    """

    def get_operation_id(self) -> str:
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self.view).__name__.removesuffix("View")).lower()
        return f"{words}_{self.method.lower()}"

    def get_request_serializer(self) -> Any:
        return OpenApiTypes.OBJECT if self.method in ("POST", "PUT", "PATCH") else None

    def get_response_serializers(self) -> Any:
        if self.method == "DELETE":
            return {204: None}
        # Changed, made, or taken on: which of them, only the view knows.
        statuses = (200, 201, 202) if self.method == "POST" else (200,)
        return dict.fromkeys(statuses, OpenApiTypes.OBJECT)

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            if _describe_as_page(operation["responses"].get("200", {})):
                operation["parameters"] = [*operation.get("parameters", []), *_PAGING]
            operation["responses"]["default"] = self._refusal()
        return operation

    def _refusal(self) -> dict[str, Any]:
        problem = ResolvedComponent(  # type: ignore[no-untyped-call] # untyped in the library
            "Problem", ResolvedComponent.SCHEMA, schema=_PROBLEM, object="Problem"
        )
        self.registry.register_on_missing(problem)
        return {"description": "A refusal.", "content": {"application/problem+json": {"schema": problem.ref}}}


def _describe_as_page(response: dict[str, Any]) -> bool:
    """Turn the description of an array into that of a page of it; whether it was one."""
    was_list = False
    for content in response.get("content", {}).values():
        rows = content["schema"]
        if rows.get("type") == "array":
            was_list = True
            content["schema"] = {
                "type": "object",
                "required": ["results", "next", "previous"],
                "properties": {"results": rows, "next": _LINK, "previous": _LINK},
            }
    return was_list
