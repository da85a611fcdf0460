"""Both providers' webhooks: what happened is told to whoever subscribed, as untidily as the internet does."""
