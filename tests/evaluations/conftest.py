"""A tenant whose assistant answers through a scripted provider, with a data set and evaluators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.evaluations import selectors
from apps.evaluations.contracts import CaseSpec, parse_facts
from apps.evaluations.models import Experiment, PlannedCase
from apps.evaluations.services import cases, datasets, evaluators, experiments
from apps.gateway.services import models, providers, routes
from parley.llm.fake import FakeProvider
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import make_tenant

MODEL = "judge-and-jury"


def make_rated_answer(question: str, answer: str, *, comment: str) -> UUID:
    """A finished exchange of the ambient tenant that somebody rated down; returns the answer's id."""
    from apps.assistants.services.assistants import create_assistant
    from apps.conversations.models import Conversation, Generation, Message, Rating

    assistant = create_assistant(name="Rated", instructions="Help people.")
    conversation = Conversation.objects.create(assistant=assistant, channel="api")
    asked = Message.objects.create(conversation=conversation, role="user", text=question)
    said = Message.objects.create(conversation=conversation, role="assistant", text=answer)
    Generation.objects.create(
        conversation=conversation, question=asked, message=said, client_id="1", status="completed", text=answer
    )
    Rating.objects.create(message=said, value="down", comment=comment)
    return UUID(str(said.id))


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@dataclass
class Bench:
    """One tenant's evaluation things; every helper opens its own transaction."""

    tenant_id: UUID
    assistant: Any
    model: Any
    dataset_id: UUID
    evaluator_ids: list[UUID]

    def add_cases(self, *questions: str, facts: str = "word0", document: str = "") -> None:
        with tenant_tx():
            for question in questions:
                case = CaseSpec(question, parse_facts(facts), document)
                cases.add_case(dataset_id=self.dataset_id, case=case)

    def add_evaluator(self, kind: str, **settings: Any) -> None:
        with tenant_tx():
            row = evaluators.create_evaluator(name=kind, kind=kind, settings=settings)
        self.evaluator_ids.append(row.id)

    def start(self, *, is_driven_by_jobs: bool = False, **options: Any) -> UUID:
        with tenant_tx():
            experiment = experiments.start_experiment(
                version=selectors.get_version(assistant=self.assistant.slug, version="draft"),
                dataset_id=self.dataset_id,
                evaluator_ids=self.evaluator_ids,
                is_driven_by_jobs=is_driven_by_jobs,
                **options,
            )
            return UUID(str(experiment.id))

    def experiment(self, experiment_id: UUID) -> Experiment:
        with tenant_tx():
            return selectors.get_experiment(experiment_id)

    def planned(self, experiment_id: UUID) -> list[PlannedCase]:
        with tenant_tx():
            return list(selectors.list_planned_cases(experiment_id))

    def verdicts(self, experiment_id: UUID) -> Sequence[tuple[int, str, str, float | None]]:
        """(case position, evaluator, status, value) of every result."""
        return [
            (case.position, result.evaluator.kind, result.status, result.value)
            for case in self.planned(experiment_id)
            for result in case.results.all()
        ]

    def ledger(self) -> list[tuple[str, Decimal]]:
        """(purpose, cost) of every line, in order."""
        from apps.gateway import selectors as gateway

        with tenant_tx():
            return list(gateway.list_usage().order_by("id").values_list("purpose", "cost"))


@pytest.fixture
def bench(transactional_db: None, fake: FakeProvider) -> Iterator[Bench]:
    """A bench with one *contains* evaluator and no cases yet."""
    from apps.assistants.services.assistants import create_assistant
    from apps.gateway.services.setup import register_local_models

    tenant = make_tenant("Acme")
    with use_tenant(tenant.id):
        with tenant_tx():
            register_local_models()
            provider = providers.create_provider(
                name="House server", kind="openai", base_url=fake.base_url, api_key="sk-test-1234567890"
            )
            model = models.create_model(
                provider_id=provider.id,
                name=MODEL,
                context_tokens=8_000,
                max_output_tokens=1_000,
                input_price=Decimal(1),
                output_price=Decimal(10),
            )
            assistant = create_assistant(name="Guide", instructions="Help people.", model_id=model.id)
            routes.ask_first(purpose="judge", model_id=model.id)
            dataset = datasets.create_dataset(name="Support")
            evaluator = evaluators.create_evaluator(name="Facts", kind="contains")
        yield Bench(tenant.id, assistant, model, dataset.id, [evaluator.id])
