"""Content: how it is inspected, what stands for private values in it, what is withheld of it, how it is shown."""
