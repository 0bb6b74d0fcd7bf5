"""What every door shares: one turn decided on, one call carried out, what the model may see."""
