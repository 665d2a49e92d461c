"""Permissions in the words of the pages, grouped as people think of them."""

from __future__ import annotations

from dataclasses import dataclass

from apps.tenants import policies
from apps.tenants.enums import Role

# Every permission appears once; a test compares this with the role table.
PERMISSION_GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Assistants",
        (
            ("assistants.view", "See assistants and their versions"),
            ("assistants.edit", "Write instructions and drafts"),
            ("assistants.publish", "Publish and roll back versions"),
            ("assistants.protect", "Protect labels, and move protected ones"),
        ),
    ),
    (
        "Conversations",
        (
            ("conversations.view", "Read conversations"),
            ("conversations.chat", "Ask assistants"),
            ("conversations.rate", "Rate answers"),
        ),
    ),
    (
        "Knowledge",
        (
            ("knowledge.view", "See knowledge bases and search them"),
            ("knowledge.edit", "Add, change and delete documents"),
        ),
    ),
    (
        "Evaluations",
        (
            ("evaluations.view", "See data sets and experiments"),
            ("evaluations.edit", "Write cases and evaluators"),
            ("evaluations.run", "Run experiments, which costs money"),
        ),
    ),
    (
        "Models and money",
        (
            ("gateway.view", "See models, routes and prices"),
            ("gateway.manage", "Add providers and keys, set routes and prices"),
            ("budgets.view", "See budgets"),
            ("budgets.manage", "Set budgets"),
            ("usage.view", "See what was spent"),
        ),
    ),
    (
        "Organisation",
        (
            ("tenant.view", "See the organisation"),
            ("tenant.manage", "Rename the organisation, set its time zone"),
            ("members.view", "See who is a member"),
            ("members.manage", "Invite people, change roles, remove members"),
            ("keys.manage", "Create and revoke API keys"),
            ("audit.view", "Read the audit log"),
            ("jobs.manage", "See background jobs, cancel and replay them"),
        ),
    ),
)

ROLE_HINTS: dict[str, str] = {
    Role.OWNER: "Everything, including the organisation itself",
    Role.ADMIN: "Models, budgets, members and keys",
    Role.EDITOR: "Assistants, knowledge and evaluations",
    Role.AGENT: "Talks with assistants and rates answers",
    Role.VIEWER: "Looks at everything, changes nothing",
}


@dataclass(frozen=True, slots=True)
class RoleTableRow:
    """One permission and which roles hold it, in the order of `Role`."""

    label: str
    permission: str
    is_held: tuple[bool, ...]


def role_table() -> list[tuple[str, list[RoleTableRow]]]:
    """The table "what each role may do", by group."""
    return [
        (
            group,
            [
                RoleTableRow(label, name, tuple(name in policies.PERMISSIONS_BY_ROLE[role] for role in Role))
                for name, label in permissions
            ],
        )
        for group, permissions in PERMISSION_GROUPS
    ]


def grantable_roles(own_role: str) -> list[tuple[str, str]]:
    """The roles that somebody with `own_role` may hand out, as choices."""
    return [(role.value, str(role.label)) for role in Role if policies.may_grant_role(own_role, role)]
