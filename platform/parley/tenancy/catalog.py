"""What PostgreSQL's own catalogue says about the walls between tenants (T-02, T-08, T-12)."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections

from parley.tenancy.classification import tables_without_tenant, unclassified_models
from parley.tenancy.constraints import ROLE_APP

_TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
       EXISTS (SELECT 1 FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped),
       EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL
               AND p.polwithcheck IS NOT NULL AND p.polpermissive
               AND p.polroles @> ARRAY[(SELECT oid FROM pg_roles WHERE rolname = %s)]),
       EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid
               AND p.polroles && ARRAY[0::oid, (SELECT oid FROM pg_roles WHERE rolname = %s)]
               AND pg_get_expr(p.polqual, p.polrelid) NOT LIKE '%%app.tenant_id%%')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public'
ORDER BY c.relname
"""

_REFERENCES_WITHOUT_TENANT = """
SELECT conrelid::regclass::text, conname
FROM pg_constraint con
WHERE con.contype = 'f'
  AND EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = con.conrelid AND attname = 'tenant_id')
  AND EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = con.confrelid AND attname = 'tenant_id')
  AND NOT (
    EXISTS (SELECT 1 FROM pg_attribute a
            WHERE a.attrelid = con.conrelid AND a.attname = 'tenant_id' AND a.attnum = ANY (con.conkey))
    AND EXISTS (SELECT 1 FROM pg_attribute a
            WHERE a.attrelid = con.confrelid AND a.attname = 'tenant_id' AND a.attnum = ANY (con.confkey)))
ORDER BY 1, 2
"""

_UNIQUES_WITHOUT_TENANT = """
SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND NOT i.indisprimary AND n.nspname = 'public'
  AND EXISTS (SELECT 1 FROM pg_attribute
              WHERE attrelid = i.indrelid AND attname = 'tenant_id' AND NOT attisdropped)
  AND NOT EXISTS (SELECT 1 FROM pg_attribute a
                  WHERE a.attrelid = i.indrelid AND a.attname = 'tenant_id' AND a.attnum = ANY (i.indkey))
ORDER BY 1, 2
"""

_LEAKY_OBJECTS = """
SELECT 'the function ' || p.proname || ' is SECURITY DEFINER'
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' AND p.prosecdef
UNION ALL
SELECT 'the materialised view ' || matviewname || ' stores rows outside row-level security'
FROM pg_matviews WHERE schemaname = 'public'
UNION ALL
SELECT 'the view ' || c.relname || ' is not security_invoker'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND n.nspname = 'public'
  AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""


def rls_findings(using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Sentences about every hole in the walls; an empty list means none was found."""
    findings = [f"the model {label} has no tenancy class" for label in unclassified_models()]
    allowed = tables_without_tenant()
    with connections[using].cursor() as cursor:
        cursor.execute(_TABLES, [ROLE_APP, ROLE_APP])
        for table, is_enabled, is_forced, has_tenant, has_policy, has_wide_policy in cursor.fetchall():
            if not has_tenant:
                if table not in allowed:
                    findings.append(f"the table {table} has no tenant_id and is not on the reviewed list")
                continue
            if not is_enabled:
                findings.append(f"row-level security is not enabled on {table}")
            if not is_forced:
                findings.append(f"row-level security is not forced on the owner of {table}")
            if not has_policy:
                findings.append(f"{table} has no policy for {ROLE_APP} with both USING and WITH CHECK")
            if has_wide_policy:
                findings.append(f"{table} has a policy for {ROLE_APP} that does not name the tenant")
        cursor.execute(_REFERENCES_WITHOUT_TENANT)
        findings += [
            f"the reference {name} of {table} does not contain the tenant" for table, name in cursor.fetchall()
        ]
        cursor.execute(_UNIQUES_WITHOUT_TENANT)
        findings += [
            f"the unique index {name} of {table} does not contain the tenant" for table, name in cursor.fetchall()
        ]
        cursor.execute(_LEAKY_OBJECTS)
        findings += [sentence for (sentence,) in cursor.fetchall()]
    return findings
