"""Pages outside any organisation: of the signed-in person, and of those who were invited."""

from django.urls import path

from apps.tenants.ui.views import mine

urlpatterns = [
    path("start/", mine.start, name="start"),
    path("tenants/", mine.tenant_list, name="tenant_list"),
    path("tenants/new/", mine.tenant_create, name="tenant_create"),
    path("tenants/switcher/", mine.tenant_switcher, name="tenant_switcher"),
    path("invitations/<str:token>/", mine.invitation_accept, name="invitation_accept"),
]
