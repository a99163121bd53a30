"""Operations that change a table's content: building, rolling back, committing and compacting."""
