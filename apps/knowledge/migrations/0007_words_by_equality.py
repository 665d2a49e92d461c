"""Words by equality: what stood in one text search vector per chunk is turned round into postings."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import parley.db.ids
import parley.tenancy.constraints
import parley.tenancy.context
import parley.tenancy.models

_NUMBERS = """
UPDATE knowledge_chunkterms AS terms SET number = numbered.number FROM (
    SELECT id, row_number() OVER (PARTITION BY tenant_id, search_index_id ORDER BY id) - 1 AS number
    FROM knowledge_chunkterms
) AS numbered WHERE numbered.id = terms.id;
UPDATE knowledge_searchindex AS search_index SET next_number = taken.numbers FROM (
    SELECT tenant_id, search_index_id, count(*) AS numbers FROM knowledge_chunkterms GROUP BY 1, 2
) AS taken WHERE taken.tenant_id = search_index.tenant_id AND taken.search_index_id = search_index.id;
"""
# Both the stems and the words as written stood in the vectors, so a chunk has half as many words as positions.
_POSTINGS = r"""
CREATE TEMPORARY TABLE turned ON COMMIT DROP AS
SELECT tenant_id, search_index_id, number, unaccent(word.lexeme) AS word, sum(cardinality(word.positions)) AS frequency,
       greatest(1, sum(sum(cardinality(word.positions))) OVER (PARTITION BY terms.id) / 2) AS length
FROM knowledge_chunkterms AS terms, unnest(terms.terms) AS word
WHERE unaccent(word.lexeme) <> '' GROUP BY terms.id, tenant_id, search_index_id, number, unaccent(word.lexeme);
INSERT INTO knowledge_wordsegment
    (id, tenant_id, created_at, search_index_id, block, level, chunk_count, word_count, languages)
SELECT gen_random_uuid(), tenant_id, now(), search_index_id, number >> 16, 1, count(*), sum(length), '{english}'
FROM (SELECT DISTINCT tenant_id, search_index_id, number, length FROM turned) AS chunk
GROUP BY tenant_id, search_index_id, number >> 16;
INSERT INTO knowledge_wordpostings (id, tenant_id, created_at, segment_id, bucket, word, chunk_count, places, weights)
SELECT gen_random_uuid(), turned.tenant_id, now(), segment.id, (ascii(word) << 5) + least(length(word), 31), word,
       count(*),
       string_agg(set_byte(set_byte('\x0000', 0, number & 255), 1, (number >> 8) & 255), '' ORDER BY number),
       string_agg(set_byte('\x00', 0,
           (width_bucket(frequency, ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 19, 24, 30, 40, 60]::numeric[]) - 1) * 16
           + greatest(0, least(15, floor(2 * log(2, turned.length / 8.0))::int))), '' ORDER BY number)
FROM turned JOIN knowledge_wordsegment AS segment
  ON segment.tenant_id = turned.tenant_id AND segment.search_index_id = turned.search_index_id
 AND segment.block = number >> 16
GROUP BY turned.tenant_id, segment.id, word;
"""


def _tenant(**more: object) -> models.ForeignKey:
    return models.ForeignKey(
        default=parley.tenancy.context.require_tenant_id,
        editable=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name="+",
        to="tenants.tenant",
        **more,
    )


def _reference(to: str) -> parley.tenancy.models.TenantForeignKey:
    return parley.tenancy.models.TenantForeignKey(
        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=to
    )


def _id() -> models.UUIDField:
    return models.UUIDField(default=parley.db.ids.uuid7, editable=False, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0006_rows_belong_to_an_index"), ("tenants", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="WordSegment",
            fields=[
                ("id", _id()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("block", models.PositiveIntegerField()),
                ("level", models.PositiveSmallIntegerField(default=0)),
                ("chunk_count", models.PositiveIntegerField()),
                ("word_count", models.PositiveBigIntegerField()),
                (
                    "languages",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), default=list, size=None
                    ),
                ),
                ("search_index", _reference("knowledge.searchindex")),
                ("tenant", _tenant()),
            ],
        ),
        migrations.CreateModel(
            name="WordPostings",
            fields=[
                ("id", _id()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("bucket", models.IntegerField()),
                ("word", models.TextField()),
                ("chunk_count", models.PositiveIntegerField()),
                ("places", models.BinaryField()),
                ("weights", models.BinaryField()),
                ("segment", _reference("knowledge.wordsegment")),
                ("tenant", _tenant(db_index=False)),
            ],
        ),
        migrations.AddField("knowledgebase", "language", models.CharField(default="auto", max_length=20)),
        migrations.AddField("searchindex", "next_number", models.PositiveIntegerField(default=0)),
        migrations.AddField("chunkterms", "number", models.PositiveIntegerField(null=True)),
        # They are compressed already as far as it pays, and read at once.
        migrations.RunSQL(
            "ALTER TABLE knowledge_wordpostings ALTER places SET STORAGE EXTERNAL, ALTER weights SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(_NUMBERS, migrations.RunSQL.noop),
        migrations.RunSQL(_POSTINGS, migrations.RunSQL.noop),
        # What the inserts above left to check at the end would stand in the way of the changes below.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField("chunkterms", "number", models.PositiveIntegerField()),
        migrations.RemoveIndex(model_name="chunkterms", name="knowledge_chunkterms_live"),
        migrations.RemoveField(model_name="chunkterms", name="terms"),
        migrations.AddConstraint(
            model_name="chunkterms",
            constraint=models.UniqueConstraint(
                fields=("tenant", "search_index", "number"), include=("chunk",), name="knowledge_chunkterms_number_key"
            ),
        ),
        migrations.AddIndex(
            model_name="wordsegment",
            index=models.Index(fields=["tenant", "search_index"], name="knowledge_wordsegment_index"),
        ),
        migrations.AddConstraint(
            model_name="wordsegment",
            constraint=parley.tenancy.constraints.TenantKey(name="knowledge_wordsegment_tenant_id_key"),
        ),
        migrations.AddConstraint(
            model_name="wordsegment",
            constraint=parley.tenancy.constraints.TenantPolicy(
                name="knowledge_wordsegment_tenant", platform_access="none"
            ),
        ),
        migrations.AddConstraint(
            model_name="wordsegment",
            constraint=parley.tenancy.constraints.TenantReference(
                column="search_index_id",
                name="knowledge_wordsegment_search_index_tenant_fk",
                to_table="knowledge_searchindex",
            ),
        ),
        migrations.AddIndex(
            model_name="wordpostings",
            index=models.Index(
                fields=["tenant", "segment", "bucket", "word"],
                include=("chunk_count",),
                name="knowledge_wordpostings_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="wordpostings",
            constraint=parley.tenancy.constraints.TenantKey(name="knowledge_wordpostings_tenant_id_key"),
        ),
        migrations.AddConstraint(
            model_name="wordpostings",
            constraint=parley.tenancy.constraints.TenantPolicy(
                name="knowledge_wordpostings_tenant", platform_access="none"
            ),
        ),
        migrations.AddConstraint(
            model_name="wordpostings",
            constraint=parley.tenancy.constraints.TenantReference(
                column="segment_id", name="knowledge_wordpostings_segment_tenant_fk", to_table="knowledge_wordsegment"
            ),
        ),
    ]
