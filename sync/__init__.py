"""One slice of work, free of Celery: read pages, store them, say what became of it."""
