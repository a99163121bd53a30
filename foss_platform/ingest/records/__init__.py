"""From records to rows: types, times and the contract."""
