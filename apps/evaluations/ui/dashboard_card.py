"""What evaluations have to say on the dashboard: how the newest experiment came out."""

from __future__ import annotations

from django.urls import reverse

from apps.evaluations import selectors
from apps.evaluations.enums import ExperimentStatus
from apps.evaluations.models import Experiment
from parley.web.actors import Actor
from parley.web.dashboard import Contribution, Count, Step


def evaluation_card(actor: Actor, tenant_slug: str) -> Contribution:
    """The newest experiment's first evaluator as a figure, and the step of making a first experiment."""
    if not actor.can("evaluations.view"):
        return Contribution()
    experiment = selectors.list_experiments().first()
    counts: tuple[Count, ...] = ()
    if experiment is not None:
        href = reverse(
            "evaluations:experiment_detail",
            kwargs={"tenant_slug": tenant_slug, "experiment_id": experiment.id},
        )
        counts = (Count("Latest experiment", _value(experiment), href=href, detail=experiment.version_label),)
    steps: tuple[Step, ...] = ()
    if actor.can("evaluations.run"):
        steps = (
            Step(
                "Find out how good the answers are",
                "Write down twenty real questions and let an assistant answer all of them.",
                reverse("evaluations:experiment_list", kwargs={"tenant_slug": tenant_slug}),
                "Evaluate",
                experiment is not None,
                icon="flask-conical",
            ),
        )
    return Contribution(counts=counts, steps=steps)


def _value(experiment: Experiment) -> str:
    summary = next(iter(selectors.summarise(experiment.id)), None)
    if experiment.status == ExperimentStatus.RUNNING or summary is None or not summary.scored_count:
        return experiment.get_status_display()
    return f"{summary.passed_count} of {summary.scored_count}"
