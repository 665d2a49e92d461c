"""What was indexed before indexes had rows becomes each base's first index."""

from django.db import migrations

_INDEXES = """
INSERT INTO knowledge_searchindex (id, tenant_id, created_at, knowledge_base_id, number, state, chunk_tokens,
                                   embedding_model, dimensions, activated_at, error)
SELECT gen_random_uuid(), tenant_id, now(), id, 1, 'active', 220, '', 384, now(), '' FROM knowledge_knowledgebase
"""
_DOCUMENTS = """
INSERT INTO knowledge_indexeddocument (id, tenant_id, created_at, search_index_id, document_id, document_version_id,
                                       edition, chunk_count, token_count)
SELECT gen_random_uuid(), chunk.tenant_id, now(), search_index.id, chunk.document_id,
       chunk.document_version_id, 1, count(*), sum(chunk.token_count)
FROM knowledge_chunk AS chunk
JOIN knowledge_searchindex AS search_index
  ON search_index.tenant_id = chunk.tenant_id AND search_index.knowledge_base_id = chunk.knowledge_base_id
WHERE EXISTS (SELECT 1 FROM knowledge_chunkvector AS vector
              WHERE vector.tenant_id = chunk.tenant_id AND vector.chunk_id = chunk.id)
GROUP BY chunk.tenant_id, search_index.id, chunk.document_id, chunk.document_version_id
"""
_ROWS = [
    f"""
    UPDATE {table} AS row SET search_index_id = search_index.id FROM knowledge_searchindex AS search_index
    WHERE search_index.tenant_id = row.tenant_id AND search_index.knowledge_base_id = row.knowledge_base_id
    """  # noqa: S608 # the names below
    for table in ("knowledge_chunk", "knowledge_chunkvector", "knowledge_chunkterms")
]


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0004_search_indexes")]

    operations = [migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in (_INDEXES, _DOCUMENTS, *_ROWS)]
