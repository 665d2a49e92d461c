"""Tables of people, organisations and their keys."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from apps.tenants.enums import ActorKind, Role
from parley.db.ids import uuid7
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantOwned


class UserManager(BaseUserManager["User"]):
    """People are found by e-mail, whatever its letter case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, email: str | None) -> User:
        return self.get(email__iexact=email)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. People may belong to several organisations."""

    tenancy_class = "platform"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="tenants_user_email_any_case")]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def first_name(self) -> str:
        """allauth's name for what people are greeted with."""
        return self.name


class Tenant(models.Model):
    """An organisation: the wall around everything else."""

    tenancy_class = "platform"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")
    is_demo = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="tenants_tenant_slug_form", condition=models.Q(slug__regex=r"^[a-z0-9-]+$"))
        ]

    def __str__(self) -> str:
        return self.name


class Membership(TenantOwned):
    """A person's role in an organisation."""

    platform_access: ClassVar[PlatformAccess] = "read"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="tenants_membership_once")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class Invitation(TenantOwned):
    """An address that may join. Only a hash of the link's token is kept."""

    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Role)
    token_hash = models.CharField(max_length=64)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "token_hash", name="tenants_invitation_token"),
            models.UniqueConstraint(
                "tenant",
                Lower("email"),
                name="tenants_invitation_once_open",
                condition=models.Q(accepted_at=None, revoked_at=None),
            ),
        ]


class ApiKey(TenantOwned):
    """A key for programs. Only a hash of its secret is kept."""

    name = models.CharField(max_length=120)
    secret_hash = models.CharField(max_length=64)
    hint = models.CharField(max_length=12)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-created_at"], name="tenants_apikey_newest")]


class AuditEvent(TenantOwned):
    """Who changed what. The application role may add rows and read them, never change or remove one."""

    append_only: ClassVar[bool] = True

    actor_kind = models.CharField(max_length=16, choices=ActorKind)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=200)
    action = models.CharField(max_length=80)
    target_type = models.CharField(max_length=80, blank=True)
    target_id = models.CharField(max_length=80, blank=True)
    target_label = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-created_at"], name="tenants_audit_newest")]
