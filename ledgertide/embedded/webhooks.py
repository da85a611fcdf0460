"""The sandbox's webhooks to the embedded web process."""

import time
from datetime import timedelta

from ledgertide.embedded.system import System
from ledgertide.embedded.valkey import LOOPBACK

LISTENS_WITHIN = timedelta(seconds=60)


def subscribe(system: System, **habits: float) -> bool:
    """Let the sandbox's Xero tell of every edit, once the web process listens; False when it never does.

    Habits: how untidily, as the sandbox names it (`double`, `forge`, ...).
    """
    url = f"http://{LOOPBACK}:{system.settings.web_port}/hooks/xero"
    key = system.settings.xero_webhook_keys[0].get_secret_value()
    give_up_at = time.monotonic() + LISTENS_WITHIN.total_seconds()
    while not system.doors.subscribe(url, key, **habits):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.2)
    return True
