"""A model with policies, and what they said and did."""

from typing import Any

import renex_jupyter as rx

LABEL: dict[str, Any] = {"alias": "champion", "metric": "accuracy", "dataset": "test", "margin": 0.002}
ASKED = "champion by accuracy on test"


def registered(accuracy: float | None = None, **metrics: float) -> Any:
    """Register a version; its accuracy is measured on the dataset test."""
    made = rx.register_model("digits", path="model.bin", metrics=metrics)
    if accuracy is not None:
        rx.log_metric("accuracy", accuracy, on=made, dataset="test")
    return made


def said(name: str | None = None) -> list[str]:
    """Return the reasons that are recorded, the oldest first."""
    frame = rx.policy_history("digits", name)
    return list(frame["reason"])[::-1]


def champion() -> int | None:
    return rx.get_model("digits").aliases.get("champion")
