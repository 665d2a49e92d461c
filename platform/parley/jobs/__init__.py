"""Jobs: written with the change that asks for them, run under a lease, and always for a known tenant.

`job` declares a kind of work; `parley.jobs.submit.submit` asks for one. Celery tasks without a row of their own
(sweeps, cases of an experiment) are declared with `tenant_task` and `platform_task` and started with `enqueue`.
"""

from parley.jobs.bases import MissingTenant, platform_task, tenant_task
from parley.jobs.enqueue import enqueue
from parley.jobs.kinds import Subject, Transition, job

__all__ = ["MissingTenant", "Subject", "Transition", "enqueue", "job", "platform_task", "tenant_task"]
