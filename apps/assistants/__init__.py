"""Who answers: assistants, their drafts and immutable published versions, and the answering engine."""
