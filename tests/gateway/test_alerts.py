"""People are told that a budget runs low: once, by mail and by a webhook that proves who called it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client

from apps.gateway.alerting import newly_reached
from apps.gateway.contracts import Price, Spender
from apps.gateway.models import AlertSettings, BudgetAlert
from apps.gateway.services import alerts, budgets, holds
from parley.db import uuid7
from parley.errors import Invalid
from parley.jobs.models import Job
from parley.jobs.outcomes import MayPass
from parley.llm import Usage
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.gateway.choices import make_choice

# One cent for each token of output.
CENTS = make_choice(price=Price(Decimal(0), Decimal(10_000)))


def spend(cents: int, spender: Spender | None = None) -> None:
    call_id = uuid7()
    holds.reserve(
        call_id=call_id, purpose="chat", choice=CENTS, input_tokens=0, max_output_tokens=cents, spender=spender
    )
    holds.settle(call_id=call_id, usage=Usage(0, cents))


def told() -> list[tuple[str, str, int]]:
    rows = BudgetAlert.objects.select_related("budget").order_by("created_at")
    return [(row.budget.scope, row.line, row.threshold) for row in rows]


def test_thresholds_are_reached_exactly() -> None:
    """B-12: at 50, 80 and 100 %, not a billionth before."""

    def reached(spent: str, limit: str | None, soft: str | None = None) -> list[int]:
        found = newly_reached(
            spent=Decimal(spent),
            limit=Decimal(limit) if limit else None,
            soft_limit=Decimal(soft) if soft else None,
            told=(),
        )
        return [line.code for line in found]

    assert reached("0.499999999", "1") == []
    assert reached("0.5", "1") == [50]
    assert reached("0.8", "1") == [50, 80]
    assert reached("1", "1", "0.7") == [50, 80, 100, 1100]
    assert reached("0.8", None, "1") == [1050, 1080]
    assert reached("5", None) == []


@pytest.mark.usefixtures("in_tenant_a")
def test_each_threshold_is_told_once_in_its_period() -> None:
    """B-12: one alert and one job for each, whatever is spent, raised or lowered afterwards."""
    budgets.set_limit(limit=Decimal(1))
    for cents in (49, 1, 5, 25, 10):
        spend(cents)
    assert told() == [("tenant", "limit", 50), ("tenant", "limit", 80)]
    budgets.set_limit(limit=Decimal(2))
    budgets.set_limit(limit=Decimal(1))
    spend(10)
    assert [threshold for *_, threshold in told()] == [50, 80, 100]
    assert Job.objects.filter(kind=alerts.DELIVER_JOB).count() == 3


@pytest.mark.usefixtures("in_tenant_a")
def test_a_lower_limit_is_told_at_once_and_a_large_step_only_at_its_end() -> None:
    spend(90)
    budgets.set_limit(limit=Decimal("0.9"))
    assert told() == [("tenant", "limit", 100)]


@pytest.mark.usefixtures("in_tenant_a")
def test_parts_and_warning_lines_are_told_of_too() -> None:
    visitor = Spender(UUID(int=1), "widget", UUID(int=2))
    budgets.create_limit(scope="assistant", period="month", limit=Decimal(1), soft_limit=Decimal("0.3"))
    budgets.create_limit(scope="visitor", period="day", soft_limit=Decimal("0.2"))
    spend(25, visitor)
    assert told() == [("visitor", "warning", 100)]
    spend(6, visitor)
    assert told()[1:] == [("assistant", "warning", 100)]


# -- telling ---------------------------------------------------------------------------


@dataclass
class Receiver:
    """Somebody's server; answers with the statuses of `plan`, then 200."""

    url: str = ""
    plan: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((dict(self.headers), body))
            self.send_response(found.plan.pop(0) if found.plan else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    endpoint = f"127.0.0.1:{server.server_port}"
    settings.PARLEY_EGRESS_ALLOW = [endpoint]
    found.url = f"http://{endpoint}/alerts"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def alert_id(in_tenant_a: TenantWithKey) -> UUID:
    budgets.set_limit(limit=Decimal(1))
    spend(80)
    return UUID(str(BudgetAlert.objects.get().id))


def test_owners_are_written_to_and_the_webhook_is_signed(alert_id: UUID, receiver: Receiver) -> None:
    """B-12: the receiver can check the signature over time and body; a repeat sends nothing twice."""
    secret = alerts.set_alert_settings(emails=[], webhook_url=receiver.url)
    assert secret
    alerts.deliver(alert_id=alert_id)
    alerts.deliver(alert_id=alert_id)
    (message,) = mail.outbox
    assert message.recipients() == ["owner@acme.example"]
    assert "80 % of its limit: $0.80 of $1.00" in message.body
    ((headers, body),) = receiver.got
    expected = alerts.signature(secret, headers["Parley-Timestamp"], body)
    assert headers["Parley-Signature"] == f"sha256={expected}"
    assert headers["Parley-Id"] == str(alert_id)
    assert (json.loads(body)["threshold_percent"], json.loads(body)["spent_usd"]) == (80, "0.8")
    assert secret not in str(AlertSettings.objects.get().webhook_secret)


def test_what_did_not_arrive_is_tried_again_and_only_that(
    alert_id: UUID, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job runs again; the mail that arrived is not sent a second time."""
    alerts.set_alert_settings(emails=["a@example.com"], webhook_url=receiver.url)
    receiver.plan = [500, 302]
    with pytest.raises(MayPass, match="status 500"):
        alerts.deliver(alert_id=alert_id)
    with pytest.raises(MayPass, match="status 302"):
        alerts.deliver(alert_id=alert_id)
    alerts.deliver(alert_id=alert_id)
    assert (len(mail.outbox), len(receiver.got)) == (1, 3)
    assert BudgetAlert.objects.get().webhook_state == "sent"

    def refuse(_: EmailMessage) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMessage, "send", refuse)
    BudgetAlert.objects.update(mail_state="waiting")
    with pytest.raises(MayPass, match="mail server"):
        alerts.deliver(alert_id=alert_id)


def test_without_a_mail_server_the_alert_says_so(alert_id: UUID, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    alerts.deliver(alert_id=alert_id)
    row = BudgetAlert.objects.get()
    assert (row.mail_state, row.webhook_state) == ("none", "none")
    assert "No mail server" in row.mail_note


@pytest.mark.usefixtures("in_tenant_a")
def test_addresses_are_checked_and_secrets_are_renewed_with_them(receiver: Receiver) -> None:
    """L-09: a webhook cannot lead into the house."""
    for wrong in ({"emails": ["nobody"], "webhook_url": ""}, {"emails": [], "webhook_url": "http://169.254.169.254/"}):
        with pytest.raises(Invalid):
            alerts.set_alert_settings(**wrong)  # type: ignore[arg-type]
    first = alerts.set_alert_settings(emails=[], webhook_url=receiver.url)
    assert alerts.set_alert_settings(emails=["a@example.com"], webhook_url=receiver.url) is None
    second = alerts.set_alert_settings(emails=[], webhook_url=receiver.url, makes_new_secret=True)
    assert first
    assert second not in (None, first)
    alerts.set_alert_settings(emails=[], webhook_url="")
    assert AlertSettings.objects.get().webhook_secret is None


@pytest.mark.django_db(transaction=True, databases=["default", "platform"])
def test_the_page_and_the_api_show_alerts_and_the_secret_once(tenant_a: TenantWithKey, receiver: Receiver) -> None:
    """B-12: an admin sees what was told; the secret is in one answer only."""
    client = Client()
    client.force_login(tenant_a.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    base = f"/t/{tenant_a.tenant.slug}/budgets/"
    saved = client.post(f"{base}alerts/", {"emails": "a@example.com", "webhook_url": receiver.url}).content.decode()
    assert "it is not shown again" in saved
    assert "it is not shown again" not in client.get(f"{base}alerts/").content.decode()
    with tenant_tx(tenant_a.tenant.id):
        budgets.set_limit(limit=Decimal(1))
        spend(100)
    assert "100 % of its limit" in client.get(base).content.decode()
    api = Client(headers=tenant_a.headers)
    (alert,) = api.get("/api/v1/budget-alerts/").json()["results"]
    assert alert["threshold_percent"] == 100
    assert alert["mail"]["state"] in ("waiting", "sent")
    chosen = api.get("/api/v1/budget-alerts/settings/").json()
    assert (chosen["has_secret"], chosen["secret"]) == (True, None)
