"""The forms of the organisation's pages. They check shapes; the services decide."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apps.tenants.enums import Role
from apps.tenants.ui.permissions import PERMISSION_GROUPS, ROLE_HINTS, grantable_roles


class OrganisationForm(forms.Form):
    """Name and time zone."""

    name = forms.CharField(
        max_length=120,
        help_text="Shown to members wherever this organisation is named.",
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        help_text="Budgets start and charts change day at midnight here.",
        choices=[],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone or zone == "UTC")
        self.fields["time_zone"].choices = [(zone, zone.replace("_", " ")) for zone in zones]  # type: ignore[attr-defined]


class NewOrganisationForm(forms.Form):
    """A name is enough: the address is made from it."""

    name = forms.CharField(
        max_length=120,
        help_text="Your company, team or project. It can be changed later; the address made from it cannot.",
        widget=forms.TextInput(attrs={"autocomplete": "organization", "autofocus": True}),
    )


class ProfileForm(forms.Form):
    """What others see of a person."""

    name = forms.CharField(
        max_length=120,
        required=False,
        help_text="Shown beside what you do. Left empty, your e-mail address is shown.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


class InvitationForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.EmailField(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": "name@example.com"}),
    )
    role = forms.ChoiceField(choices=[])

    def __init__(self, *args: Any, own_role: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(value, f"{label}: {ROLE_HINTS[value]}") for value, label in grantable_roles(own_role)]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]
        self.fields["role"].initial = Role.EDITOR if Role.EDITOR in dict(choices) else Role.VIEWER


class ApiKeyForm(forms.Form):
    """A new key: its name, its end, and what it may do."""

    LIFETIMES = (("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never"))

    name = forms.CharField(
        max_length=120,
        help_text="What will use it, so that you know which one to revoke later.",
        widget=forms.TextInput(attrs={"placeholder": "Help desk integration", "autocomplete": "off"}),
    )
    lifetime = forms.ChoiceField(label="Expires", choices=LIFETIMES, required=False, initial="90")
    scopes = forms.MultipleChoiceField(
        label="May do",
        choices=[],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one thing that the key may do."},
    )

    def __init__(self, *args: Any, own_permissions: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (group, [(name, label) for name, label in permissions if name in own_permissions])
            for group, permissions in PERMISSION_GROUPS
            if any(name in own_permissions for name, _ in permissions)
        ]

    def expires_at(self) -> datetime | None:
        """The instant that the chosen lifetime ends, or None for a key without end."""
        days = self.cleaned_data["lifetime"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class AuditFilterForm(forms.Form):
    """The filters above the audit log; whatever is not valid is left out."""

    q = forms.CharField(required=False, max_length=200)
    about = forms.CharField(required=False, max_length=80)

    def chosen(self) -> tuple[str, str]:
        """`(text, noun)`."""
        self.is_valid()
        return self.cleaned_data.get("q", ""), self.cleaned_data.get("about", "")
