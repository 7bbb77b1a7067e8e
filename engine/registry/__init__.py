"""The registry: what exists, what serves, who works on it and what was done. SQLAlchemy is imported here alone."""

from engine.registry.generation import LIVE, Generation, GenerationKind, GenerationState, Publication
from engine.registry.leases import BUILDING, INSPECTING, REFRESHING, REFRESHING_MODELS, Held, Lease, holder_name
from engine.registry.receipts import Receipt, ReceiptState
from engine.registry.runs import Job, Outcome, Recorder, Run
from engine.registry.samples import Sample
from engine.registry.shadows import Shadow, ShadowSample, ShadowSummary
from engine.registry.store import Registry
from engine.registry.trainings import Training, TrainingState
from engine.registry.watermarks import Consumer

__all__ = [
    "BUILDING",
    "INSPECTING",
    "LIVE",
    "REFRESHING",
    "REFRESHING_MODELS",
    "Consumer",
    "Generation",
    "GenerationKind",
    "GenerationState",
    "Held",
    "Job",
    "Lease",
    "Outcome",
    "Publication",
    "Receipt",
    "ReceiptState",
    "Recorder",
    "Registry",
    "Run",
    "Sample",
    "Shadow",
    "ShadowSample",
    "ShadowSummary",
    "Training",
    "TrainingState",
    "holder_name",
]
