"""What kind of Redis this is: its version, and whether it keeps what it is given."""

from dataclasses import dataclass

import redis

from limiter.client import connect, reaching_redis


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Facts about the server; None where it does not say."""

    version: str
    evicts: str | None  # its maxmemory-policy; ours must be noeviction
    persistent: bool
    memory_bytes: int


def look_at(redis_url: str) -> RedisServer:
    """Ask the server; raises LimiterUnavailableError when it is away."""
    client = connect(redis_url)
    try:
        with reaching_redis():
            facts = client.info()
        name = "Valkey" if "valkey_version" in facts else "Redis"
        return RedisServer(
            version=f"{name} {facts.get('valkey_version') or facts.get('redis_version', '?')}",
            evicts=facts.get("maxmemory_policy"),
            persistent=bool(facts.get("aof_enabled")) or _takes_snapshots(client),
            memory_bytes=int(facts.get("used_memory", 0)),
        )
    finally:
        client.close()


def _takes_snapshots(client: "redis.Redis") -> bool:
    try:
        return bool(client.config_get("save").get("save"))
    except redis.ResponseError:  # some hosts hide their configuration, and keep snapshots of their own
        return True
