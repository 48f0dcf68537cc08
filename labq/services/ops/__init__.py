"""What the database knows of itself: sizes, hits, what runs and waits there, plans of statements."""
