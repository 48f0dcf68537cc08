"""Settings of the Celery app: broker, serializer, routes, limits. Reads settings, no logic.

Why each stands here: docs/architecture.md, "Celery carries messages".
"""

from labq.config import load

broker_url = load().redis_url
result_backend = None
task_ignore_result = True
accept_content = ["json"]
task_serializer = "json"
task_acks_late = False
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
worker_enable_remote_control = False
worker_send_task_events = False
worker_hijack_root_logger = False
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
worker_consumer = "labq.tasks.consumer:Consumer"
task_publish_retry_policy = {
    "max_retries": 20,
    "interval_start": 0.1,
    "interval_step": 0.2,
    "interval_max": 1,
}
broker_transport_options = {
    "ack_emulation": False,
    "priority_steps": [0],
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 3,
}
task_create_missing_queues = True
enable_utc = True
