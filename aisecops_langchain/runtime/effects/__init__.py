"""Effects: begun once under a permit, carried to an account, reconciled where nobody saw the end."""
