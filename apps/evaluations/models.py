"""Tables of evaluations: what should be answered, how answers are judged, and what came out.

An experiment copies everything it needs when it starts: later edits of a case, an evaluator or an assistant
must not change what a running or finished experiment means.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from apps.evaluations.contracts import AnswerRecord, CaseSpec, CitedPassage, clean_facts, format_facts
from apps.evaluations.enums import CaseSource, CaseStatus, ExperimentStatus, ResultStatus
from parley.db import MoneyField
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantForeignKey, TenantOwned

NAME_LENGTH = 120
DOCUMENT_LENGTH = 300


class Dataset(TenantOwned):
    """A named list of cases."""

    name = models.CharField(max_length=NAME_LENGTH)
    description = models.CharField(max_length=500, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="evaluations_dataset_name")]

    def __str__(self) -> str:
        return self.name


class _CaseFields(models.Model):
    """What a case and its frozen copy share."""

    question = models.TextField()
    expected_facts = models.JSONField(default=list, blank=True)
    expected_document = models.CharField(max_length=DOCUMENT_LENGTH, blank=True)
    notes = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def spec(self) -> CaseSpec:
        """The case as the scorers know it."""
        return CaseSpec(
            question=self.question,
            expected_facts=clean_facts(self.expected_facts),
            expected_document=self.expected_document,
            notes=self.notes,
        )

    @property
    def facts_text(self) -> str:
        """The facts as people write them: one per line, wordings separated by `|`."""
        return format_facts(self.expected_facts)


class Case(_CaseFields, TenantOwned):
    """One question and what a good answer to it needs. `message_id` is the rated answer it was made from."""

    dataset = TenantForeignKey(Dataset, on_delete=models.CASCADE, related_name="cases")
    source = models.CharField(max_length=16, choices=CaseSource, default=CaseSource.HAND)
    message_id = models.UUIDField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "dataset", "message_id"], name="evaluations_case_message")
        ]
        indexes = [models.Index(fields=["tenant", "dataset", "id"], name="evaluations_case_order")]

    def __str__(self) -> str:
        return self.question[:80]


class Evaluator(TenantOwned):
    """A scorer with its settings, under a name people choose."""

    name = models.CharField(max_length=NAME_LENGTH)
    kind = models.CharField(max_length=40)
    settings = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="evaluations_evaluator_name")]

    def __str__(self) -> str:
        return self.name


class Experiment(TenantOwned):
    """One run of a data set over one pinned state of an assistant. `version` is that state, whole."""

    # The sweeper finds open experiments of all tenants; it reads ids, and drives each inside its tenant.
    platform_access: ClassVar[PlatformAccess] = "read"

    name = models.CharField(max_length=NAME_LENGTH)
    dataset = TenantForeignKey(Dataset, on_delete=models.SET_NULL, null=True, related_name="experiments")
    dataset_name = models.CharField(max_length=NAME_LENGTH)
    assistant_id = models.UUIDField()
    version = models.JSONField()
    version_label = models.CharField(max_length=NAME_LENGTH)
    status = models.CharField(max_length=16, choices=ExperimentStatus, default=ExperimentStatus.RUNNING)
    case_count = models.PositiveIntegerField()
    started_by = models.CharField(max_length=200, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(F("created_at"), name="evaluations_experiment_open", condition=Q(status="running")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        """Whether cases may still be answered."""
        return self.status == ExperimentStatus.RUNNING


class PlannedEvaluator(TenantOwned):
    """An evaluator as it was when the experiment started."""

    experiment = TenantForeignKey(Experiment, on_delete=models.CASCADE, related_name="evaluators")
    position = models.PositiveSmallIntegerField()
    evaluator_id = models.UUIDField()
    name = models.CharField(max_length=NAME_LENGTH)
    kind = models.CharField(max_length=40)
    settings = models.JSONField(default=dict)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "experiment", "position"], name="evaluations_plannedevaluator_position"
            )
        ]


class PlannedCase(_CaseFields, TenantOwned):
    """A case as it was when the experiment started, and the record of its answer.

    `attempt` is the fencing token of whoever works on it until `lease_until`; `announced_at` says when a job
    for it was last put into the queue.
    """

    experiment = TenantForeignKey(Experiment, on_delete=models.CASCADE, related_name="cases")
    position = models.PositiveIntegerField()
    case_id = models.UUIDField()

    status = models.CharField(max_length=16, choices=CaseStatus, default=CaseStatus.PENDING)
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    announced_at = models.DateTimeField(null=True, blank=True)

    answer = models.TextField(blank=True)
    citations = models.JSONField(default=list)
    model_label = models.CharField(max_length=NAME_LENGTH, blank=True)
    first_words_ms = models.PositiveIntegerField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = MoneyField(default=Decimal(0))
    answered_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "experiment", "position"], name="evaluations_plannedcase_position"
            )
        ]

    def __str__(self) -> str:
        return self.question[:80]

    @property
    def record(self) -> AnswerRecord:
        """The answer as the scorers know it."""
        return AnswerRecord(text=self.answer, citations=tuple(CitedPassage.from_dict(data) for data in self.citations))

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to this case."""
        return self.status in (CaseStatus.DONE, CaseStatus.FAILED)


class Result(TenantOwned):
    """One evaluator's verdict on one case of one experiment; there is never a second one."""

    experiment = TenantForeignKey(Experiment, on_delete=models.CASCADE, related_name="results")
    case = TenantForeignKey(PlannedCase, on_delete=models.CASCADE, related_name="results")
    evaluator = TenantForeignKey(PlannedEvaluator, on_delete=models.CASCADE, related_name="results")
    status = models.CharField(max_length=16, choices=ResultStatus)
    value = models.FloatField(null=True, blank=True)
    is_passed = models.BooleanField(default=False)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "experiment", "case", "evaluator"], name="evaluations_result_once"
            ),
            models.CheckConstraint(
                name="evaluations_result_value",
                condition=Q(status="scored", value__gte=0, value__lte=1) | (~Q(status="scored") & Q(value=None)),
            ),
        ]

    @property
    def label(self) -> str:
        """The score as people read it: a share, or a word where there is only yes and no."""
        if self.value is None:
            return self.get_status_display()
        if self.value in (0.0, 1.0):
            return "Passed" if self.is_passed else "Not passed"
        return f"{self.value:.2f}"
