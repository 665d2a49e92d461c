"""The retrieval test: what a question finds in a base, why, and what other settings would find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from apps.knowledge import selectors
from apps.knowledge.contracts import Passage
from apps.knowledge.services.audiences import checked_audience
from apps.knowledge.services.retrieval_settings import list_rerankers, update_retrieval_settings
from apps.knowledge.ui import presenting
from apps.knowledge.ui.forms import AudienceForm, RetrievalForm
from apps.knowledge.ui.views.tabs import tabs
from parley.errors import Invalid, Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_RESULTS = 12
_ASKED_LATELY = 20


@tenant_page({"GET": "knowledge.view", "POST": "knowledge.edit"})
def retrieval_test(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """`?q=` asks, with the settings of the address or else of the base; POST saves settings for the base."""
    base = selectors.get_knowledge_base(base_id)
    saved = selectors.get_retrieval_settings(base.id)
    given = request.POST if request.method == "POST" else request.GET
    is_tried = "candidate_count" in given
    form = RetrievalForm(given if is_tried else RetrievalForm.values_of(saved), rerankers=list_rerankers())
    may_be_anybody = request.actor.can("knowledge.edit")
    audience_form = AudienceForm(
        request.GET,
        may_be_anybody=may_be_anybody,
        known_tags=selectors.list_access_tags(knowledge_base_id=base.id) if may_be_anybody else (),
    )
    question = given.get("q", "").strip()
    if request.method == "POST" and form.is_valid():
        try:
            update_retrieval_settings(knowledge_base_id=base.id, changes=asdict(form.settings()))
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved. Every search of this knowledge base uses these settings now.")
            here = reverse("knowledge:retrieval_test", kwargs={"tenant_slug": request.tenant.slug, "base_id": base.id})
            return redirect(f"{here}?{urlencode({'q': question})}" if question else here)
    found: Sequence[Passage] | None = None
    by_words_alone = False
    problem_sentence = ""
    if question and form.is_valid() and audience_form.is_valid():
        asked = audience_form.cleaned_data
        try:
            audience = checked_audience(asked.get("access_tags", ()), asked["filter"])
            outcome = selectors.look_up(
                knowledge_base_ids=[base.id],
                query=question,
                limit=_RESULTS,
                settings=form.settings(),
                audience=audience,
            )
            found, by_words_alone = outcome.passages, outcome.by_words_alone
        except Invalid as problem:
            add_problem(audience_form, problem)
            problem_sentence = "" if audience_form.errors else problem.detail
        except Problem as problem:
            problem_sentence = problem.detail
    context = {
        "base": base,
        "tabs": tabs(request, base.id, "test"),
        "form": form,
        "audience_form": audience_form,
        "question": question,
        "found": None if found is None else presenting.found_passages(found, question),
        "is_reranked": any(
            passage.explanation and passage.explanation.rerank_score is not None for passage in found or ()
        ),
        "search_problem": problem_sentence,
        "by_words_alone": by_words_alone,
        "may_evaluate": request.actor.can("evaluations.edit"),
        "asked": selectors.latest_questions(knowledge_base_id=base.id, limit=_ASKED_LATELY),
        "is_changed": form.is_valid() and form.settings() != saved,
        "tried": _tried(form) if form.is_valid() else [],
    }
    return render(
        request,
        "knowledge/retrieval_test.html",
        context,
        status=200 if form.is_valid() and audience_form.is_valid() else 422,
    )


def _tried(form: RetrievalForm) -> list[tuple[str, object]]:
    """What to send for saving the settings of a valid form."""
    values = RetrievalForm.values_of(form.settings())
    return [(name, "on" if value is True else value) for name, value in values.items() if value not in (None, False)]
