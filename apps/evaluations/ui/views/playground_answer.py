"""One answer of the playground: word by word for the script, as a page of its own without it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import structlog
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from apps.assistants.contracts import Retrieved, TextDelta
from apps.evaluations.services.answering import Answered, ask
from apps.evaluations.ui.playground_forms import ColumnForm, QuestionForm
from apps.evaluations.ui.trial_page import TrialPage, trial_page
from parley.db import in_thread
from parley.errors import Invalid, Problem
from parley.llm import LlmError
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page

log = structlog.get_logger(__name__)

_INTERNAL_ERROR = "An error inside Parley stopped this; the log names it."
TrialEvent = Retrieved | TextDelta | TrialPage


@tenant_page({"POST": "evaluations.run"}, streaming=True)
async def playground_answer(request: TenantRequest) -> HttpResponseBase:
    """Let one candidate answer. Its price is charged as that of an evaluation."""
    column, question = await in_thread(_read, request)
    if "text/event-stream" not in request.headers.get("Accept", ""):
        async for event in _try_out(column, question):
            if isinstance(event, TrialPage):
                return await in_thread(_page, request, column, event)
    frames: asyncio.Queue[bytes | None] = asyncio.Queue()
    # A task of its own keeps the tenant that this view was called for.
    task = asyncio.create_task(_write(request, column, question, frames))
    response = StreamingHttpResponse(_relay(frames, task), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _read(request: TenantRequest) -> tuple[ColumnForm, str]:
    """The candidate and the question. Raises `Invalid` with the first thing that is wrong."""
    with tenant_tx():
        column, question = ColumnForm(request.POST), QuestionForm(request.POST)
        if not column.is_valid():
            raise Invalid(column.first_error)
        if not question.is_valid():
            raise Invalid(question.first_error)
        return column, question.cleaned_data["question"]


async def _try_out(column: ColumnForm, question: str) -> AsyncGenerator[TrialEvent]:
    """The passages, the words, and in the end what is shown of it all."""
    retrieved: Retrieved | None = None
    try:
        async with aclosing(ask(version=column.candidate.spec, question=question)) as events:
            async for event in events:
                match event:
                    case Retrieved():
                        retrieved = event
                        yield event
                    case TextDelta():
                        yield event
                    case Answered():
                        yield trial_page(question, retrieved, event)
    except Problem as problem:
        yield TrialPage(question, error=problem.detail)
    except LlmError as problem:
        yield TrialPage(question, error=problem.sentence)
    except Exception:
        log.exception("playground.failed")
        yield TrialPage(question, error=_INTERNAL_ERROR)


async def _write(
    request: TenantRequest, column: ColumnForm, question: str, frames: asyncio.Queue[bytes | None]
) -> None:
    try:
        async with aclosing(_try_out(column, question)) as tried:
            async for event in tried:
                frames.put_nowait(await _frame(request, column, event))
    finally:
        frames.put_nowait(None)


async def _relay(frames: asyncio.Queue[bytes | None], task: asyncio.Task[None]) -> AsyncGenerator[bytes]:
    """The frames until the end; a reader who leaves ends the call, too."""
    try:
        while (frame := await frames.get()) is not None:
            yield frame
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _frame(request: TenantRequest, column: ColumnForm, event: TrialEvent) -> bytes:
    body: dict[str, Any]
    match event:
        case Retrieved():
            body = {"type": "retrieved", "count": len(event.sources)}
        case TextDelta():
            body = {"type": "delta", "text": event.text}
        case TrialPage():
            body = {"type": "done", "html": await in_thread(_fragment, request, column, event)}
    return f"data: {json.dumps(body)}\n\n".encode()


def _fragment(request: TenantRequest, column: ColumnForm, trial: TrialPage) -> str:
    return render_to_string("evaluations/_trial.html", _context(column, trial), request=request)


def _page(request: TenantRequest, column: ColumnForm, trial: TrialPage) -> HttpResponse:
    with tenant_tx():
        return render(request, "evaluations/playground_answer.html", _context(column, trial))


def _context(column: ColumnForm, trial: TrialPage) -> dict[str, Any]:
    kept = [(name, column.data.get(name, "")) for name in ColumnForm.base_fields]
    return {"trial": trial, "candidate": column.candidate, "kept": kept}
