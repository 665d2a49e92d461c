"""What the API accepts and shows of assistants."""

from typing import Any, get_args

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.assistants.comparison import FieldChange
from apps.assistants.contracts import VariableSource, VariableType, VersionSpec
from apps.assistants.enums import GroundingChoice
from apps.assistants.models import Assistant, AssistantVersion, LabelMove, ScheduledMove
from apps.assistants.selectors import LabelState, draft_spec, unpublished_changes, version_spec
from apps.assistants.starters import Starter
from apps.knowledge.contracts import MAX_ASKED_TAGS


@extend_schema_field(OpenApiTypes.OBJECT)
class DocumentFilterField(serializers.JSONField):
    """A filter as an object; the service reads it."""


class VariableSerializer(serializers.Serializer[Any]):
    """A declared variable of a prompt."""

    name = serializers.CharField(max_length=40)
    type = serializers.ChoiceField(choices=get_args(VariableType), required=False, default="text")
    source = serializers.ChoiceField(  # type: ignore[assignment] # a field's name, as the API has it
        choices=get_args(VariableSource), required=False, default="api"
    )
    default = serializers.CharField(max_length=2_000, required=False, allow_null=True, allow_blank=True)
    choices = serializers.ListField(child=serializers.CharField(max_length=100), required=False, max_length=50)


class DraftSerializer(serializers.Serializer[Any]):
    """The settings of a draft; all optional, what is left out stays."""

    name = serializers.CharField(max_length=100, required=False)
    instructions = serializers.CharField(max_length=20_000, required=False, trim_whitespace=False)
    role = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    tone = serializers.CharField(max_length=300, required=False, allow_blank=True)
    rules = serializers.ListField(child=serializers.CharField(max_length=500), required=False, max_length=30)
    variables = VariableSerializer(
        many=True,
        required=False,
        help_text="Variables that the prompt names as {{ name }}; the list replaces the one before",
    )
    example_tokens = serializers.IntegerField(
        required=False, min_value=0, max_value=4_000, help_text="Room for few-shot examples in a prompt; 0: none"
    )
    knowledge_base_ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=50)
    snapshot_ids = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        max_length=50,
        help_text="Snapshots that answers keep to, one a knowledge base at most",
    )
    access_tags = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        max_length=MAX_ASKED_TAGS,
        help_text="Answers may also use documents with one of these tags; without any only those without tags",
    )
    metadata_filter = DocumentFilterField(
        required=False,
        allow_null=True,
        help_text="What the metadata of documents must be, as the filter of a knowledge base's search; null: no matter",
    )
    model = serializers.CharField(
        max_length=200,
        required=False,
        allow_null=True,
        help_text="Id or name of a chat model; null: the route",
    )
    route = serializers.CharField(
        max_length=80,
        required=False,
        allow_null=True,
        help_text="Id or name of a route, instead of a model; null: the organisation's own",
    )
    rewrites_follow_ups = serializers.BooleanField(
        required=False, help_text="Whether its model says follow-up questions anew before they are searched"
    )
    grounding = serializers.ChoiceField(
        choices=GroundingChoice.choices,
        required=False,
        help_text="What becomes of sentences of an answer that its passages do not support",
    )
    temperature = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=2)
    max_output_tokens = serializers.IntegerField(required=False, min_value=1, max_value=32_000)
    refusal = serializers.CharField(max_length=500, required=False, allow_blank=True)
    opening_message = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    suggested_questions = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=6
    )


class DraftChangeSerializer(DraftSerializer):
    """A change of the draft; `revision` guards against overwriting somebody else's change."""

    revision = serializers.IntegerField(required=False, min_value=1)


class NewAssistantSerializer(DraftSerializer):
    """A new assistant: name and instructions suffice, and a starter brings both."""

    slug = serializers.SlugField(max_length=60, required=False)
    starter = serializers.CharField(max_length=60, required=False, help_text="Key of a starter; fields win over it")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Without a starter, name and instructions are required."""
        if "starter" not in attrs:
            missing = {name: ["This field is required."] for name in ("name", "instructions") if name not in attrs}
            if missing:
                raise serializers.ValidationError(missing)
        return attrs


class SharingSerializer(serializers.Serializer[Any]):
    """Where visitors may meet the assistant; takes effect at once."""

    is_public = serializers.BooleanField(required=False)
    is_paused = serializers.BooleanField(required=False)
    allowed_origins = serializers.ListField(child=serializers.CharField(max_length=255), required=False, max_length=50)
    follows_newest = serializers.BooleanField(
        required=False,
        help_text="True: conversations under way move on with their label; false: they keep their version",
    )


class PublishSerializer(serializers.Serializer[Any]):
    """A version to come; the note says why."""

    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


class RollbackSerializer(serializers.Serializer[Any]):
    """The version to go back to; without a number the one before the published one."""

    number = serializers.IntegerField(required=False, min_value=1)


class LabelSerializer(serializers.Serializer[Any]):
    """The version a label is to stand on."""

    number = serializers.IntegerField(min_value=1)


class ProtectionSerializer(serializers.Serializer[Any]):
    """The labels that only holders of `assistants.protect` may move."""

    labels = serializers.ListField(child=serializers.CharField(max_length=40), max_length=22)


class RolloutSerializer(serializers.Serializer[Any]):
    """The share of new conversations, in percent, that begins with a version."""

    number = serializers.IntegerField(min_value=1)
    percent = serializers.IntegerField(min_value=1, max_value=99)


class ScheduleSerializer(serializers.Serializer[Any]):
    """A move of a label to come; without a number the draft is saved as the version to move to."""

    label = serializers.CharField(  # type: ignore[assignment] # a field's name, as the API has it
        max_length=40, required=False, default="production"
    )
    number = serializers.IntegerField(min_value=1, required=False)
    due_at = serializers.DateTimeField()
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


def assistant_body(assistant: Assistant) -> dict[str, Any]:
    """An assistant with its draft's settings."""
    published = assistant.published_version
    return {
        "id": str(assistant.id),
        "slug": assistant.slug,
        "public_id": assistant.public_id,
        **_settings(draft_spec(assistant)),
        "is_public": assistant.is_public,
        "is_paused": assistant.is_paused,
        "allowed_origins": assistant.allowed_origins,
        "published_version": {"id": str(published.id), "number": published.number} if published else None,
        "rollout": rollout_body(assistant),
        "follows_newest": assistant.follows_newest,
        "has_unpublished_changes": bool(unpublished_changes(assistant)),
        "created_at": assistant.created_at,
        "updated_at": assistant.updated_at,
    }


def change_body(change: FieldChange) -> dict[str, Any]:
    """A setting that differs; texts word by word as `parts`."""
    return {
        "field": change.field,
        "label": change.label,
        "before": change.before,
        "after": change.after,
        "parts": [{"kind": part.kind, "text": part.text} for part in change.parts],
    }


def rollout_body(assistant: Assistant) -> dict[str, Any] | None:
    """The second version and its share of the conversations that begin; None when nothing is rolled out."""
    version = assistant.rollout_version
    return {"number": version.number, "percent": assistant.rollout_percent} if version else None


def label_body(label: LabelState) -> dict[str, Any]:
    """A label and where it stands."""
    return {
        "name": label.name,
        "version": label.version.number if label.version else None,
        "is_protected": label.is_protected,
    }


def label_move_body(move: LabelMove) -> dict[str, Any]:
    """One step in the history of the labels."""
    return {
        "label": move.label,
        "from": move.from_number,
        "to": move.to_number,
        "author": move.author_label,
        "at": move.created_at,
    }


def scheduled_move_body(move: ScheduledMove) -> dict[str, Any]:
    """A planned move of a label."""
    return {
        "id": str(move.id),
        "label": move.label,
        "number": move.version.number,
        "due_at": move.due_at,
        "state": move.state,
        "author": move.author_label,
    }


def starter_body(starter: Starter) -> dict[str, Any]:
    """One way to start, with everything it brings."""
    return {
        "key": starter.key,
        "name": starter.name,
        "summary": starter.summary,
        "settings": starter.fields,
        "variables": [variable.as_dict() for variable in starter.variables],
        "examples": [{"question": one.question, "answer": one.answer} for one in starter.examples],
        "test_set": [{"question": case.question, "expected": case.expected} for case in starter.cases],
    }


def draft_body(assistant: Assistant) -> dict[str, Any]:
    """The draft alone, with the revision to send back when changing it."""
    return {
        "assistant_id": str(assistant.id),
        "slug": assistant.slug,
        "revision": assistant.draft_revision,
        **_settings(draft_spec(assistant)),
        "unpublished_changes": list(unpublished_changes(assistant)),
    }


def version_body(version: AssistantVersion, assistant: Assistant) -> dict[str, Any]:
    """A published version."""
    return {
        "id": str(version.id),
        "assistant_id": str(assistant.id),
        "slug": assistant.slug,
        "number": version.number,
        "is_published": version.id == assistant.published_version_id,
        "author": version.author_label,
        "note": version.note,
        "created_at": version.created_at,
        **_settings(version_spec(version, assistant)),
    }


def _settings(spec: VersionSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "role": spec.role,
        "tone": spec.tone,
        "instructions": spec.instructions,
        "rules": list(spec.rules),
        "variables": [variable.as_dict() for variable in spec.variables],
        "example_count": len(spec.examples),
        "example_tokens": spec.example_tokens,
        "blocks": [{"slug": block.slug, "number": block.number} for block in spec.blocks],
        "model": str(spec.model_id) if spec.model_id else None,
        "route": str(spec.route_id) if spec.route_id else None,
        "knowledge_base_ids": [str(base) for base in spec.knowledge_base_ids],
        "snapshot_ids": [str(snapshot) for snapshot in spec.snapshot_ids],
        "access_tags": list(spec.access_tags),
        "metadata_filter": spec.metadata_filter,
        "rewrites_follow_ups": spec.rewrites_follow_ups,
        "grounding": spec.grounding,
        "temperature": spec.temperature,
        "max_output_tokens": spec.max_output_tokens,
        "refusal": spec.refusal,
        "opening_message": spec.opening_message,
        "suggested_questions": list(spec.suggested_questions),
    }
