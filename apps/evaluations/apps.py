"""Django's handle on the app."""

from django.apps import AppConfig


class EvaluationsConfig(AppConfig):
    name = "apps.evaluations"
    label = "evaluations"
    verbose_name = "Evaluations"

    def ready(self) -> None:
        from apps.assistants.services.starting import on_started
        from apps.evaluations.services.starting import make_test_set
        from apps.evaluations.ui.dashboard_card import evaluation_card
        from parley.web.dashboard import register_card

        register_card(evaluation_card, order=60)
        on_started(make_test_set)
