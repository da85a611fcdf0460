"""The processes' wiring: the Celery app, its queues, what opens and closes with a process."""
