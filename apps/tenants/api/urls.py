"""Addresses below /api/v1/."""

from django.urls import path

from apps.tenants.api import views

app_name = "tenants_api"
urlpatterns = [
    path("jobs/", views.JobList.as_view(), name="job_list"),
    path("jobs/<uuid:job_id>/", views.JobDetail.as_view(), name="job_detail"),
    path("jobs/<uuid:job_id>/replay/", views.JobReplay.as_view(), name="job_replay"),
    path("jobs/<uuid:job_id>/cancel/", views.JobCancel.as_view(), name="job_cancel"),
]
