"""Table maintenance: compaction, snapshot expiry, deletion of unreferenced files, health, and the maintenance log."""
