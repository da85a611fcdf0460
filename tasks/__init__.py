"""Celery tasks, three lines each, and the one door to the queue."""
