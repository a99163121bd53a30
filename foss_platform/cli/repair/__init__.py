"""Commands that repair data: replay, quarantine, rebuild, rollback."""
