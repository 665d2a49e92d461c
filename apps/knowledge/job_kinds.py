"""Kinds of jobs that more than the service that submits them has to name."""

INDEX_JOB = "knowledge.index_document"
