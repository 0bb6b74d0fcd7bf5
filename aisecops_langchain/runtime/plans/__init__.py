"""Plans: from what a model proposed to recorded steps, and what the user asked for."""
