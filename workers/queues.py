"""The queues, in the order in which a worker looks at them, and what each is for."""

from kombu import Exchange, Queue

# Decisions; presses and what follows from them; upkeep is short and rare, so it never waits behind a backlog
# of sync.
NAMES = ("push", "now", "upkeep", "sync")
QUEUES = tuple(Queue(name, Exchange(name), routing_key=name) for name in NAMES)

# Whoever presses through Flower or `send_task` is ahead of scheduled work as well.
ROUTES = {
    "sync.slice": {"queue": "sync"},
    "sync.*": {"queue": "now"},
    "files.*": {"queue": "sync"},
    "decisions.*": {"queue": "push"},
    "upkeep.*": {"queue": "upkeep"},
}
