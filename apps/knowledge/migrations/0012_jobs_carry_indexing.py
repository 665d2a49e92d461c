"""Leases and tries move to the jobs that index; documents under way get one."""

from django.db import migrations

_JOBS = """
INSERT INTO jobs_job (id, tenant_id, created_at, kind, job_class, subject_id, group_id, arguments, idempotency_key,
                      state, attempt, tries, max_tries, run_after, worker, stage, done_units, total_units, last_error,
                      crash_signature)
SELECT gen_random_uuid(), tenant_id, now(), kind, 'bulk', id, knowledge_base_id, arguments, key, 'queued', 0, 0, 3,
       now(), '', '', 0, 0, '', ''
FROM (
    SELECT tenant_id, id, knowledge_base_id, 'knowledge.index_document' AS kind,
           jsonb_build_object('attempt', attempt) AS arguments, 'index:' || id || ':' || attempt AS key
    FROM knowledge_document WHERE deleted_at IS NULL AND status NOT IN ('indexed', 'failed')
    UNION ALL
    SELECT tenant_id, id, NULL, 'knowledge.purge_document', '{}'::jsonb, 'purge:' || id
    FROM knowledge_document WHERE deleted_at IS NOT NULL
) AS under_way
"""


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0011_retrieval_settings"), ("jobs", "0001_initial")]

    operations = [
        migrations.RunSQL(_JOBS, migrations.RunSQL.noop),
        migrations.RemoveIndex(model_name="document", name="knowledge_document_open"),
        migrations.RemoveField(model_name="document", name="lease_expires_at"),
        migrations.RemoveField(model_name="document", name="run_after"),
        migrations.RemoveField(model_name="document", name="tries"),
    ]
