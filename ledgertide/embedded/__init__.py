"""The whole product on one machine: what `make run` starts, keeps going, shows, and ends."""
