"""The ledger of a process: what its requests, transactions and statements took.

`work` is what is under way, `ledger` what is kept, `listening` the events of SQLAlchemy, `watcher` the
thread that looks at what takes long, `courier` the one that sends to Redis, `gathering` reads from there.
"""
