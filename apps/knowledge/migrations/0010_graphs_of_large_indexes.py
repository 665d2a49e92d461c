import django.db.models.deletion
from django.db import migrations, models

import parley.db.ids
import parley.tenancy.constraints
import parley.tenancy.context
import parley.tenancy.models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0009_who_brought_a_version"), ("tenants", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="VectorGraph",
            fields=[
                (
                    "id",
                    models.UUIDField(default=parley.db.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("building", "Building"), ("ready", "Ready"), ("poor", "Poor")], max_length=10
                    ),
                ),
                ("dimensions", models.PositiveSmallIntegerField()),
                ("ef_search", models.PositiveIntegerField(default=0)),
                ("recall", models.FloatField(null=True)),
                ("row_count", models.PositiveIntegerField(default=0)),
                ("size_bytes", models.PositiveBigIntegerField(default=0)),
                ("build_seconds", models.FloatField(null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "search_index",
                    parley.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="knowledge.searchindex",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        default=parley.tenancy.context.require_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="vectorgraph",
            constraint=models.UniqueConstraint(fields=("tenant", "search_index"), name="knowledge_vectorgraph_key"),
        ),
        migrations.AddConstraint(
            model_name="vectorgraph",
            constraint=parley.tenancy.constraints.TenantKey(name="knowledge_vectorgraph_tenant_id_key"),
        ),
        migrations.AddConstraint(
            model_name="vectorgraph",
            constraint=parley.tenancy.constraints.TenantPolicy(
                name="knowledge_vectorgraph_tenant", platform_access="none"
            ),
        ),
        migrations.AddConstraint(
            model_name="vectorgraph",
            constraint=parley.tenancy.constraints.TenantReference(
                column="search_index_id",
                name="knowledge_vectorgraph_search_index_tenant_fk",
                to_table="knowledge_searchindex",
            ),
        ),
        migrations.RemoveIndex(model_name="chunkvector", name="knowledge_chunkvector_live"),
        migrations.AddIndex(
            model_name="chunkvector",
            index=models.Index(
                condition=models.Q(("valid_to", None)),
                fields=["tenant", "search_index"],
                name="knowledge_chunkvector_live",
            ),
        ),
    ]
