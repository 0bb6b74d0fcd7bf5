"""The ledger: sealed rows and counters, in a file or in a database that hosts share."""
