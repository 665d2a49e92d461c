"""Makes the demo tenant, or brings it up to date; every step looks first and changes only what is missing.

Nobody else needs to be running but the database: documents are indexed and the experiment is answered in
this process. A worker that is already up may take some of it; leases keep the two apart.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from apps.assistants import selectors as assistants
from apps.assistants.services.assistants import create_assistant, update_sharing
from apps.assistants.services.versions import publish
from apps.evaluations import selectors as evaluations
from apps.evaluations.contracts import CaseSpec
from apps.evaluations.services import cases, datasets, evaluators, experiments, running
from apps.evaluations.services.case_files import read_cases
from apps.gateway import selectors as gateway
from apps.gateway.services.budgets import set_limit
from apps.gateway.services.setup import register_local_models
from apps.knowledge import selectors as knowledge
from apps.knowledge.services.documents import add_document, retry_document
from apps.knowledge.services.indexing import index_document
from apps.knowledge.services.knowledge_bases import create_knowledge_base
from apps.tenants import selectors as tenants
from apps.tenants.policies import ALL_PERMISSIONS
from apps.tenants.services.api_keys import create_api_key, find_actor_by_token, format_token
from apps.tenants.services.tenants import create_tenant
from parley.config.demo import content
from parley.config.demo.credentials import EMAIL, DemoCredentials, derive_credentials
from parley.errors import Conflict, Problem
from parley.tenancy import tenant_tx, use_tenant
from parley.web.actors import TenantRef

INDEXING_SECONDS = 180
_POLL_SECONDS = 0.2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoSignIn:
    """What a person or a program needs to use the demo."""

    url: str
    tenant: str
    email: str
    password: str
    api_key: str
    assistant: str
    widget_id: str


def make_demo(*, say: Say) -> DemoSignIn:
    """Create the demo tenant with everything in it, or complete what is missing. Safe to repeat.

    `say` is told each step that takes time. Raises `Problem` when a document of the guide cannot be indexed.
    """
    tenant = _ensure_tenant()
    credentials = derive_credentials(secret_key=settings.SECRET_KEY, tenant_id=tenant.id)
    _ensure_password(credentials)
    with use_tenant(tenant.id):
        api_key = _ensure_api_key(tenant, credentials)
        with tenant_tx():
            register_local_models()
            if gateway.budget_status().limit is None:
                set_limit(limit=content.MONTHLY_BUDGET)
        base_id = _ensure_knowledge(say)
        assistant = _ensure_assistant(base_id)
        _ensure_experiment(assistant.id, say)
    return DemoSignIn(
        url=settings.PARLEY_PUBLIC_URL + "/",
        tenant=tenant.slug,
        email=credentials.email,
        password=credentials.password,
        api_key=api_key,
        assistant=assistant.slug,
        widget_id=assistant.public_id,
    )


# -- people and keys ------------------------------------------------------------


def _ensure_tenant() -> TenantRef:
    found = tenants.find_tenant(slug=content.TENANT_SLUG)
    if found is not None:
        if not tenants.get_tenant(found.id).is_demo:
            raise Conflict(
                f"The organisation {content.TENANT_SLUG!r} is not the demo. Rename it, or start without the demo."
            )
        return found
    with transaction.atomic():
        users = get_user_model().objects
        owner = users.filter(email=EMAIL).first() or users.create_user(
            email=EMAIL, password=None, name=content.PERSON_NAME
        )
        tenant = create_tenant(name=content.TENANT_NAME, owner=owner, slug=content.TENANT_SLUG, is_demo=True)
    return tenants.tenant_ref(tenant)


def _ensure_password(credentials: DemoCredentials) -> None:
    """The printed password works, whatever somebody changed it to."""
    user = get_user_model().objects.get(email=credentials.email)
    if not user.check_password(credentials.password):
        user.set_password(credentials.password)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(user=user, email=credentials.email, defaults={"verified": True, "primary": True})


def _ensure_api_key(tenant: TenantRef, credentials: DemoCredentials) -> str:
    token = format_token(tenant.id, credentials.key_id, credentials.key_secret)
    if find_actor_by_token(token) is None:
        with tenant_tx():
            create_api_key(
                name=content.API_KEY_NAME,
                scopes=ALL_PERMISSIONS,
                secret=credentials.key_secret,
                key_id=credentials.key_id,
            )
    return token


# -- knowledge ------------------------------------------------------------------


def _ensure_knowledge(say: Say) -> UUID:
    with tenant_tx():
        base = knowledge.list_knowledge_bases().filter(name=content.KNOWLEDGE_BASE_NAME).first()
        if base is None:
            base = create_knowledge_base(
                name=content.KNOWLEDGE_BASE_NAME, description=content.KNOWLEDGE_BASE_DESCRIPTION
            )
        _store_guide(base.id)
        waiting = _unfinished(base.id)
    if waiting:
        say(f"Indexing {len(waiting)} pages of the guide")
        for document_id in waiting:
            index_document(document_id=document_id)
        _wait_for_indexing(base.id)
    return UUID(str(base.id))


def _store_guide(base_id: UUID) -> None:
    """Store pages that are new or have changed, and try failed ones again."""
    stored = {row.name: row for row in knowledge.list_documents(knowledge_base_id=base_id)}
    for path in content.guide_files():
        text = path.read_bytes()
        document = stored.get(path.name)
        if document is None or document.content_hash != hashlib.sha256(text).hexdigest():
            add_document(knowledge_base_id=base_id, name=path.name, content=text)
        elif document.status == "failed":
            retry_document(document_id=document.id)


def _unfinished(base_id: UUID) -> list[UUID]:
    documents = knowledge.list_documents(knowledge_base_id=base_id).exclude(status__in=["indexed", "failed"])
    return list(documents.filter(name__in=_guide_names()).values_list("id", flat=True))


def _wait_for_indexing(base_id: UUID) -> None:
    """A worker may have taken some of the pages; wait for those too."""
    deadline = time.monotonic() + INDEXING_SECONDS
    while True:
        with tenant_tx():
            is_open = bool(_unfinished(base_id))
            failed = knowledge.list_documents(knowledge_base_id=base_id).filter(
                status="failed", name__in=_guide_names()
            )
            broken = [(row.name, row.error) for row in failed]
        if broken:
            name, error = broken[0]
            raise Problem(f"The page {name} of the guide could not be indexed: {error}")
        if not is_open:
            return
        if time.monotonic() > deadline:
            raise Problem("Indexing the guide took too long. See the log of the worker, then try again.")
        time.sleep(_POLL_SECONDS)


def _guide_names() -> list[str]:
    return [path.name for path in content.guide_files()]


# -- the assistant --------------------------------------------------------------


def _ensure_assistant(base_id: UUID) -> Any:
    with tenant_tx():
        assistant = assistants.list_assistants().filter(slug=content.ASSISTANT_SLUG).first()
        if assistant is None:
            assistant = create_assistant(slug=content.ASSISTANT_SLUG, knowledge_base_ids=[base_id], **content.ASSISTANT)
            update_sharing(assistant_id=assistant.id, is_public=True)
        if assistant.published_version_id is None:
            publish(assistant_id=assistant.id, note=content.VERSION_NOTE)
        origins = [*assistant.allowed_origins, *_local_origins()]
        return update_sharing(assistant_id=assistant.id, allowed_origins=list(dict.fromkeys(origins)))


def _local_origins() -> list[str]:
    """This installation's own address, and the two names that a browser on this machine uses for it."""
    address = urlsplit(settings.PARLEY_PUBLIC_URL)
    port = f":{address.port}" if address.port else ""
    own = f"{address.scheme}://{address.netloc}"
    return [own, f"http://localhost{port}", f"http://127.0.0.1{port}"]


# -- evaluation -----------------------------------------------------------------


def _ensure_experiment(assistant_id: UUID, say: Say) -> None:
    with tenant_tx():
        dataset_id = _ensure_dataset()
        evaluator_ids = _ensure_evaluators()
        experiment = evaluations.find_latest_experiment(dataset_id=dataset_id, assistant_id=assistant_id)
        if experiment is None:
            experiment = experiments.start_experiment(
                version=evaluations.get_version(assistant=str(assistant_id)),
                model_id=_extractive_model_id(),
                dataset_id=dataset_id,
                evaluator_ids=evaluator_ids,
                name=content.EXPERIMENT_NAME,
                is_driven_by_jobs=False,
            )
    if experiment.is_open:
        say(f"Asking the assistant {experiment.case_count} questions")
        running.run_experiment(experiment_id=experiment.id)


def _ensure_dataset() -> UUID:
    dataset = evaluations.find_dataset(content.DATASET_NAME)
    wanted = content.QUESTIONS_FILE.read_bytes()
    if dataset is None:
        dataset = datasets.create_dataset(name=content.DATASET_NAME, description=content.DATASET_DESCRIPTION)
        cases.import_cases(dataset_id=dataset.id, content=wanted)
    else:
        _bring_cases_up_to_date(dataset.id, read_cases(wanted))
    return UUID(str(dataset.id))


def _bring_cases_up_to_date(dataset_id: UUID, wanted: list[CaseSpec]) -> None:
    """Correct and add what a newer Parley ships; what people added themselves stays."""
    known = {row.question: row for row in evaluations.list_cases(dataset_id)}
    for case in wanted:
        row = known.get(case.question)
        if row is None:
            cases.add_case(dataset_id=dataset_id, case=case)
        elif row.spec != case:
            cases.update_case(case_id=row.id, case=case)


def _ensure_evaluators() -> list[UUID]:
    known = {row.name: row.id for row in evaluations.list_evaluators()}
    return [
        known.get(name) or evaluators.create_evaluator(name=name, kind=kind, settings=values).id
        for name, kind, values in content.EVALUATORS
    ]


def _extractive_model_id() -> UUID | None:
    row = gateway.list_models(is_enabled=True).filter(provider__kind="extractive").first()
    return row.id if row else None
