"""The closed lists of this app."""

from django.db import models


class Role(models.TextChoices):
    """What a member may do, from most to least."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    EDITOR = "editor", "Editor"
    AGENT = "agent", "Agent"
    VIEWER = "viewer", "Viewer"


class ActorKind(models.TextChoices):
    """Who did something."""

    USER = "user", "Person"
    API_KEY = "api_key", "API key"
    VISITOR = "visitor", "Visitor"
    SYSTEM = "system", "Parley"
