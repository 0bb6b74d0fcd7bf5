"""One sentence for each kind of event, by what it is about."""
