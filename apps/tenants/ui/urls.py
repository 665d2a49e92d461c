"""Pages below `/t/<tenant_slug>/` that belong to the organisation itself."""

from django.urls import path

from apps.tenants.ui.views import api_keys, audit, dashboard, jobs, members, organisation

app_name = "tenants"

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("settings/", organisation.settings, name="settings"),
    path("settings/profile/", organisation.profile, name="profile"),
    path("settings/members/", members.member_list, name="member_list"),
    path("settings/members/<uuid:membership_id>/role/", members.member_role, name="member_role"),
    path("settings/members/<uuid:membership_id>/remove/", members.member_remove, name="member_remove"),
    path(
        "settings/invitations/<uuid:invitation_id>/revoke/",
        members.invitation_revoke,
        name="invitation_revoke",
    ),
    path("settings/api-keys/", api_keys.api_key_list, name="api_key_list"),
    path("settings/api-keys/<uuid:key_id>/revoke/", api_keys.api_key_revoke, name="api_key_revoke"),
    path("settings/jobs/", jobs.job_list, name="job_list"),
    path("settings/jobs/replay/", jobs.dead_replay, name="dead_replay"),
    path("settings/jobs/<uuid:job_id>/replay/", jobs.job_replay, name="job_replay"),
    path("settings/jobs/<uuid:job_id>/cancel/", jobs.job_cancel, name="job_cancel"),
    path("settings/audit/", audit.audit_list, name="audit_list"),
    path("settings/audit/<uuid:event_id>/", audit.audit_detail, name="audit_detail"),
]
