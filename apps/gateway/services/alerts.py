"""Tells people that a budget runs low: once for each period and threshold, by mail and by a signed webhook.

The alert is a row, written with the charge that reached the threshold. Mail and webhook follow as one job, which is
tried again until both arrived; what did not arrive is shown on the page.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.utils import timezone

from apps.gateway.alerting import Reached, newly_reached
from apps.gateway.enums import AlertLine, BudgetScope, DeliveryState
from apps.gateway.models import AlertSettings, Budget, BudgetAlert
from apps.tenants import selectors as tenants
from apps.tenants.services import audit
from parley.db.encrypted import EncryptedText
from parley.egress.client import EgressFailed, EgressRefused, check_address, post
from parley.errors import Invalid
from parley.jobs.outcomes import MayPass
from parley.jobs.submit import submit
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

DELIVER_JOB = "gateway.deliver_alert"
MOST_EMAILS = 20
_SECRET_BYTES = 32
_ANSWER_BYTES = 64 * 1024
_NO_MAIL_SERVER = "No mail server is set up (PARLEY_EMAIL_BACKEND), so nothing was sent."


def raise_alerts(budget_ids: Sequence[UUID]) -> None:
    """Write an alert for each threshold that these budgets have reached and nobody was told of.

    Runs inside the transaction that moved the counters, whose rows it holds. Safe to repeat: an alert is unique.
    """
    for budget in Budget.objects.filter(id__in=budget_ids):
        reached = newly_reached(
            spent=budget.spent, limit=budget.limit, soft_limit=budget.soft_limit, told=budget.told or ()
        )
        if not reached:
            continue
        told = sorted({*(budget.told or ()), *(line.code for line in reached)})
        Budget.objects.filter(id=budget.id).update(told=told)
        # A single large step can pass several thresholds: people are told of the highest, the others are marked.
        for line in _highest_of_each(reached):
            alert = BudgetAlert(
                budget=budget, line=line.line, threshold=line.threshold, limit=line.amount, spent=budget.spent
            )
            alert.save(force_insert=True)
            submit(DELIVER_JOB, subject_id=alert.id, idempotency_key=f"alert:{alert.id}")
            log.warning("budget.alert", scope=budget.scope, threshold=line.threshold, line=line.line)


def _highest_of_each(reached: Sequence[Reached]) -> list[Reached]:
    return list({line.line: line for line in reached}.values())


def deliver(*, alert_id: UUID) -> None:
    """Send what was not sent yet. Opens its own transactions. Raises `MayPass` when it should be tried again."""
    with tenant_tx():
        alert = BudgetAlert.objects.select_related("budget", "tenant").filter(id=alert_id).first()
        if alert is None:
            return
        chosen = AlertSettings.objects.first()
        emails = list(chosen.emails) if chosen is not None and chosen.emails else tenants.list_admin_emails()
    problems = []
    if alert.mail_state not in (DeliveryState.SENT, DeliveryState.NONE):
        alert.mail_state, alert.mail_note = _mail(alert, emails)
        problems += [alert.mail_note] if alert.mail_state == DeliveryState.FAILED else []
    if alert.webhook_state not in (DeliveryState.SENT, DeliveryState.NONE):
        alert.webhook_state, alert.webhook_note = _call_webhook(alert, chosen)
        problems += [alert.webhook_note] if alert.webhook_state == DeliveryState.FAILED else []
    with tenant_tx():
        alert.save(update_fields=["mail_state", "mail_note", "webhook_state", "webhook_note"])
    if problems:
        raise MayPass(" ".join(problems))


def has_mail_server() -> bool:
    """Whether mail leaves this installation at all: the console's backend only prints it."""
    return not settings.EMAIL_BACKEND.endswith(("console.EmailBackend", "dummy.EmailBackend"))


def _mail(alert: BudgetAlert, emails: Sequence[str]) -> tuple[DeliveryState, str]:
    if not has_mail_server():
        return DeliveryState.NONE, _NO_MAIL_SERVER
    if not emails:
        return DeliveryState.NONE, "Nobody has an address to write to."
    link = f"{settings.PARLEY_PUBLIC_URL}/t/{alert.tenant.slug}/budgets/"
    body = f"{sentence(alert)}\n\nLimits and usage: {link}\n"
    try:
        EmailMessage(subject=f"{alert.tenant.name}: {headline(alert)}", body=body, bcc=list(emails)).send()
    except OSError as error:
        # The mail library's own failures are kinds of OSError, too.
        log.warning("alert.mail_failed", error=type(error).__name__)
        return DeliveryState.FAILED, "The mail server did not take the message."
    return DeliveryState.SENT, ""


def _call_webhook(alert: BudgetAlert, chosen: AlertSettings | None) -> tuple[DeliveryState, str]:
    if chosen is None or not chosen.webhook_url or chosen.webhook_secret is None:
        return DeliveryState.NONE, ""
    body = json.dumps(payload(alert), separators=(",", ":")).encode()
    stamp = str(int(timezone.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "Parley-Id": str(alert.id),
        "Parley-Timestamp": stamp,
        "Parley-Signature": f"sha256={signature(chosen.webhook_secret.reveal(), stamp, body)}",
    }
    try:
        status = post(chosen.webhook_url, body=body, headers=headers, max_bytes=_ANSWER_BYTES)
    except EgressRefused as problem:
        return DeliveryState.NONE, problem.detail[:300]
    except EgressFailed as problem:
        return DeliveryState.FAILED, problem.detail[:300]
    if 200 <= status < 300:
        return DeliveryState.SENT, ""
    return DeliveryState.FAILED, f"The webhook answered with status {status}."


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 over `<timestamp>.<body>` in hex: what a receiver computes and compares."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def payload(alert: BudgetAlert) -> dict[str, Any]:
    """The webhook's body. Money is a decimal string in US dollars."""
    return {
        "type": "budget.threshold_reached",
        "id": str(alert.id),
        "organisation": alert.tenant.slug,
        "scope": alert.budget.scope,
        "subject": alert.budget.subject,
        "period": alert.budget.period,
        "period_start": alert.budget.period_start.isoformat(),
        "line": alert.line,
        "threshold_percent": alert.threshold,
        "limit_usd": format(alert.limit.normalize(), "f"),
        "spent_usd": format(alert.spent.normalize(), "f"),
        "message": sentence(alert),
    }


def headline(alert: BudgetAlert) -> str:
    """The alert in a few words."""
    if alert.threshold >= 100:
        return "a budget is used up" if alert.line == AlertLine.LIMIT else "a budget has passed its warning line"
    return f"{alert.threshold} % of a budget is used"


def sentence(alert: BudgetAlert) -> str:
    """The alert for a person: whose budget, how much of what, and what happens now."""
    whose = {
        BudgetScope.TENANT: "the organisation",
        BudgetScope.ASSISTANT: "an assistant",
        BudgetScope.CHANNEL: "a channel",
        BudgetScope.VISITOR: "a visitor",
    }[BudgetScope(alert.budget.scope)]
    what = "limit" if alert.line == AlertLine.LIMIT else "warning line"
    begun = alert.budget.period_start
    text = (
        f"The budget of {whose} for the {alert.budget.period} that began on {begun.day} {begun:%B %Y} has reached "
        f"{alert.threshold} % of its {what}: ${alert.spent:.2f} of ${alert.limit:.2f}."
    )
    if alert.line == AlertLine.LIMIT and alert.threshold >= 100:
        return f"{text} Calls that cost money are refused until it starts again or the limit is raised."
    return text


# -- settings -----------------------------------------------------------------------


def set_alert_settings(*, emails: Sequence[str], webhook_url: str, makes_new_secret: bool = False) -> str | None:
    """Say whom to tell. Returns the webhook's secret when a new one was made: it is shown once and never again.

    A secret is made with the first address, with another one, and when asked for. Raises `Invalid`.
    """
    addresses = list(dict.fromkeys(email.strip() for email in emails if email.strip()))
    _require_emails(addresses)
    webhook_url = webhook_url.strip()
    if webhook_url:
        try:
            check_address(webhook_url)
        except EgressRefused as problem:
            raise Invalid(problem.detail, errors={"webhook_url": [problem.detail]}) from problem
    row = AlertSettings.objects.select_for_update().first() or AlertSettings()
    before = {"emails": len(row.emails), "webhook_url": row.webhook_url}
    secret: str | None = None
    if not webhook_url:
        row.webhook_secret = None
    elif makes_new_secret or row.webhook_secret is None or row.webhook_url != webhook_url:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        row.webhook_secret = EncryptedText.seal(secret)
    row.emails, row.webhook_url = addresses, webhook_url
    row.save()
    after = {"emails": len(addresses), "webhook_url": webhook_url, "new_secret": secret is not None}
    audit.record(action="budget.alerts_changed", target="Budget alerts", before=before, after=after)
    return secret


def _require_emails(addresses: Sequence[str]) -> None:
    if len(addresses) > MOST_EMAILS:
        sentence = f"At most {MOST_EMAILS} addresses can be told."
        raise Invalid(sentence, errors={"emails": [sentence]})
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError as error:
            sentence = f"{address} is not an e-mail address."
            raise Invalid(sentence, errors={"emails": [sentence]}) from error
