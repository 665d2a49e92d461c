"""Bodies that the JSON door accepts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.conversations.services.messages import MAX_CHARACTERS, MAX_CLIENT_ID


class GivenBody(serializers.Serializer[Any]):
    """Values for the variables of the assistant's prompt, by their source."""

    variables = serializers.DictField(required=False, help_text="Values from your program")
    visitor = serializers.DictField(required=False, help_text="What is known of the visitor")
    page = serializers.DictField(required=False, help_text="Where the visitor is: url, title, language")


class StartBody(GivenBody):
    """`assistant`: slug or id; `label`: which of its versions."""

    assistant = serializers.CharField(max_length=100)
    label = serializers.CharField(  # type: ignore[assignment] # a field's name, as the API has it
        max_length=40, required=False, default="production"
    )


class SendBody(GivenBody):
    """`client_id`: new for each message; the same one again gives the same answer."""

    text = serializers.CharField(max_length=MAX_CHARACTERS, trim_whitespace=False)
    client_id = serializers.CharField(max_length=MAX_CLIENT_ID)


class RegenerateBody(serializers.Serializer[Any]):
    client_id = serializers.CharField(max_length=MAX_CLIENT_ID)


class RatingBody(serializers.Serializer[Any]):
    value = serializers.CharField(max_length=8)
    reasons = serializers.ListField(child=serializers.CharField(max_length=40), required=False, default=list)
    comment = serializers.CharField(required=False, default="", allow_blank=True)
