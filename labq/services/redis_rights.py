"""What the Redis user of a lab host may do: the rules, and commands to try them with."""

from __future__ import annotations

from collections.abc import Sequence

from labq.domain.names import claim_key
from labq.domain.plan import Queue
from labq.streams import (
    GENERATION_KEY,
    log_stream,
    orders_stream,
    up_stream,
)

Command = tuple[str, ...]
# What Celery's worker, the bench and the claim of a host send. None of these runs a script, names
# a channel or lets a host look around.
COMMANDS = (
    "ping",
    "hello",
    "auth",
    "multi",
    "exec",
    "discard",
    "brpop",
    "lpush",
    "rpush",
    "llen",
    "lrange",
    "sadd",
    "smembers",
    "xadd",
    "xlen",
    "xrange",
    "xread",
    "xrevrange",
    "set",
    "get",
    "pexpire",
    "del",
)
PATTERNS = ("{host}.*", "_kombu.binding.{host}.*", "_kombu.binding_permanent.{host}.*")


def rules(host: str, password_hash: str) -> list[str]:
    """Return the words of ACL SETUSER: all rights are taken away, then those of a host given."""
    return [
        "reset",
        "resetchannels",
        "on",
        f"#{password_hash}",
        "-@all",
        *(f"~{pattern.format(host=host)}" for pattern in PATTERNS),
        *(f"+{command}" for command in COMMANDS),
    ]


def needed(host: str) -> Sequence[Command]:
    """Return commands without which a host cannot work."""
    up, claim = up_stream(host), claim_key(host)
    commands: list[Command] = [
        ("PING",),
        ("XADD", up, "*", "e", "x"),
        ("XLEN", up),
        ("XRANGE", up, "-", "+", "COUNT", "1"),
        ("XADD", log_stream(host), "*", "data", "x"),
        ("XREAD", "COUNT", "1", "STREAMS", orders_stream(host), "0"),
        ("XREVRANGE", orders_stream(host), "+", "-", "COUNT", "1"),
        ("SET", claim, "x", "NX", "PX", "1000"),
        ("GET", claim),
        ("PEXPIRE", claim, "1000"),
        ("DEL", claim),
    ]
    for queue in Queue:
        name = f"{host}.{queue}"
        commands += [
            ("BRPOP", name, "0.01"),
            ("LPUSH", name, "x"),
            ("LLEN", name),
            ("LRANGE", name, "-1", "-1"),
            ("SADD", f"_kombu.binding.{name}", "x"),
            ("SMEMBERS", f"_kombu.binding.{name}"),
        ]
    return commands


def forbidden(host: str) -> Sequence[Command]:
    """Return commands with which a host could reach more than its own keys."""
    return [*_on_others(host), *_AT_LARGE]


def _on_others(host: str) -> list[Command]:
    """Return attempts on keys of the server and of hosts with similar names."""
    commands: list[Command] = [
        ("GET", GENERATION_KEY),
        ("SET", GENERATION_KEY, "x"),
        ("DEL", GENERATION_KEY),
        ("LPUSH", "core", "x"),
        ("BRPOP", "core", "1"),
        ("LRANGE", "core", "0", "-1"),
        ("SADD", "_kombu.binding.core", "x"),
        ("SMEMBERS", "_kombu.binding.core"),
        ("GET", "unacked"),
        ("DEL", "unacked_index"),
        ("SADD", "_kombu.binding_deadlines", "x"),
    ]
    for other in (f"{host}x", f"x{host}", "*"):
        commands += [
            ("XADD", up_stream(other), "*", "e", "x"),
            ("XADD", log_stream(other), "*", "data", "x"),
            ("XREAD", "STREAMS", orders_stream(other), "0"),
            ("XREAD", "STREAMS", orders_stream(host), orders_stream(other), "0", "0"),
            ("XREVRANGE", orders_stream(other), "+", "-"),
            ("LPUSH", f"{other}.boot", "x"),
            ("BRPOP", f"{other}.boot", "1"),
            ("BRPOP", f"{host}.boot", f"{other}.boot", "1"),
            ("SADD", f"_kombu.binding.{other}.boot", "x"),
            ("SET", claim_key(other), "x"),
            ("DEL", f"{host}.claim", claim_key(other)),
        ]
    return commands


_AT_LARGE: tuple[Command, ...] = (
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("RANDOMKEY",),
    ("DBSIZE",),
    ("INFO",),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("SELECT", "1"),
    ("SWAPDB", "0", "1"),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "dir", "."),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "x"),
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "PAUSE", "1"),
    ("MONITOR",),
    ("DEBUG", "SLEEP", "0"),
    ("EVAL", "return 1", "0"),
    ("EVALSHA", "0" * 40, "0"),
    ("SCRIPT", "LOAD", "return 1"),
    ("PUBLISH", "x", "x"),
    ("SUBSCRIBE", "x"),
    ("PSUBSCRIBE", "*"),
    ("SAVE",),
    ("BGSAVE",),
    ("BGREWRITEAOF",),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "NO", "ONE"),
    ("MODULE", "LIST"),
    ("MIGRATE", "x", "1", "x", "0", "1"),
    ("SLOWLOG", "GET"),
    ("LATENCY", "LATEST"),
    ("MEMORY", "STATS"),
)
