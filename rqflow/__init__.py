"""rqflow: durable workflows for Python teams that already run Redis."""

from rqflow.authoring.activity_face import activity
from rqflow.authoring.scheduled import schedule
from rqflow.authoring.workflow_face import workflow
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle, Handle
from rqflow.client.sync import Client
from rqflow.core.options import Retry
from rqflow.errors import ActivityFailed, ChildFailed, RqflowError, WorkflowCanceled, WorkflowFailed
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker

__version__ = "0.1.0"
__all__ = [
    "ActivityFailed",
    "AsyncClient",
    "AsyncHandle",
    "ChildFailed",
    "Client",
    "Handle",
    "Retry",
    "RqflowError",
    "Worker",
    "WorkerOptions",
    "WorkflowCanceled",
    "WorkflowFailed",
    "__version__",
    "activity",
    "schedule",
    "workflow",
]
