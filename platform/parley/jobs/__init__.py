"""Jobs: started after commit, by name, and always for a known tenant."""

from parley.jobs.enqueue import enqueue
from parley.jobs.tasks import MissingTenant, platform_task, tenant_task

__all__ = ["MissingTenant", "enqueue", "platform_task", "tenant_task"]
