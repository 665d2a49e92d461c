import django.db.models.deletion
from django.db import migrations, models

import parley.tenancy.constraints
import parley.tenancy.models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0005_first_indexes")]

    operations = [
        # Changing the type put vectors back to where long values go; they are scanned and stay in line.
        migrations.RunSQL(
            "ALTER TABLE knowledge_chunkvector ALTER COLUMN embedding SET STORAGE PLAIN;"
            "ALTER TABLE knowledge_chunksketch ALTER COLUMN embedding SET STORAGE PLAIN",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="chunk",
            name="search_index",
            field=parley.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="knowledge.searchindex",
            ),
        ),
        migrations.AlterField(
            model_name="chunkterms",
            name="search_index",
            field=parley.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="knowledge.searchindex",
            ),
        ),
        migrations.AlterField(
            model_name="chunkvector",
            name="search_index",
            field=parley.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="knowledge.searchindex",
            ),
        ),
        migrations.AlterField(
            model_name="chunkvector",
            name="dimensions",
            field=models.PositiveSmallIntegerField(),
        ),
        migrations.RemoveConstraint(
            model_name="chunkterms",
            name="knowledge_chunkterms_knowledge_base_tenant_fk",
        ),
        migrations.RemoveConstraint(
            model_name="chunkvector",
            name="knowledge_chunkvector_knowledge_base_tenant_fk",
        ),
        migrations.RemoveIndex(
            model_name="chunkterms",
            name="knowledge_chunkterms_base",
        ),
        migrations.RemoveIndex(
            model_name="chunkvector",
            name="knowledge_chunkvector_base",
        ),
        migrations.RemoveField(
            model_name="chunkterms",
            name="knowledge_base",
        ),
        migrations.RemoveField(
            model_name="chunkvector",
            name="knowledge_base",
        ),
        migrations.AddIndex(
            model_name="chunk",
            index=models.Index(
                condition=models.Q(("valid_to", None)),
                fields=["tenant", "document", "search_index", "ordinal"],
                name="knowledge_chunk_live",
            ),
        ),
        migrations.AddIndex(
            model_name="chunkterms",
            index=models.Index(
                condition=models.Q(("valid_to", None)),
                fields=["tenant", "search_index"],
                name="knowledge_chunkterms_live",
            ),
        ),
        migrations.AddIndex(
            model_name="chunkterms",
            index=models.Index(
                condition=models.Q(("valid_to__isnull", False)),
                fields=["tenant", "search_index", "valid_to"],
                name="knowledge_chunkterms_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="chunkvector",
            index=models.Index(
                condition=models.Q(("valid_to", None), ("dimensions__lte", 1024)),
                fields=["tenant", "search_index"],
                include=("chunk", "embedding", "dimensions"),
                name="knowledge_chunkvector_live",
            ),
        ),
        migrations.AddIndex(
            model_name="chunkvector",
            index=models.Index(
                condition=models.Q(("valid_to__isnull", False)),
                fields=["tenant", "search_index", "valid_to"],
                name="knowledge_chunkvector_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=models.UniqueConstraint(
                fields=("tenant", "search_index", "document_version", "edition", "ordinal"),
                name="knowledge_chunk_ordinal_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=parley.tenancy.constraints.TenantReference(
                column="search_index_id",
                name="knowledge_chunk_search_index_tenant_fk",
                to_table="knowledge_searchindex",
            ),
        ),
        migrations.AddConstraint(
            model_name="chunkterms",
            constraint=parley.tenancy.constraints.TenantReference(
                column="search_index_id",
                name="knowledge_chunkterms_search_index_tenant_fk",
                to_table="knowledge_searchindex",
            ),
        ),
        migrations.AddConstraint(
            model_name="chunkvector",
            constraint=parley.tenancy.constraints.TenantReference(
                column="search_index_id",
                name="knowledge_chunkvector_search_index_tenant_fk",
                to_table="knowledge_searchindex",
            ),
        ),
    ]
