"""The trainer of Hugging Face, the real one; where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autolog_seen import artifacts, events, params, runs, series, statuses
from told import heard

import renex_jupyter as rx

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")


def _trainer(folder: Path, **more: Any) -> Any:
    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x: Any, labels: Any) -> Any:
            said = self.layer(x)
            return {"loss": (said - labels).pow(2).mean(), "logits": said}

    data = [{"x": torch.ones(1), "labels": torch.zeros(1)} for _ in range(8)]
    given = {"per_device_train_batch_size": 2, "num_train_epochs": 2, "logging_steps": 2, "report_to": [], **more}
    arguments = (
        transformers.TrainingArguments(str(folder), use_cpu=True, disable_tqdm=True, save_safetensors=False, **given)
        if "save_safetensors" in transformers.TrainingArguments.__dataclass_fields__
        else transformers.TrainingArguments(str(folder), use_cpu=True, disable_tqdm=True, **given)
    )
    return transformers.Trainer(Line(), arguments, train_dataset=data, eval_dataset=data)


def test_a_training_is_a_run_with_what_the_trainer_logs(project: Path) -> None:
    rx.autolog("transformers")
    trainer = _trainer(project / "out", save_strategy="no", eval_strategy="epoch")
    with heard() as said:
        trainer.train()
    assert [each for each in said if "renex" in each] == []
    assert runs() == ["Line"] and statuses() == ["finished"]
    assert [step for step, _ in series("training/loss")][:4] == [2, 4, 6, 8]
    assert [step for step, _ in series("eval/loss")] == [4, 8]
    assert params()["num_train_epochs"] == "2" and params()["parameters"] == "2"
    assert not any(type(each).__name__ == "Autolog" for each in trainer.callback_handler.callbacks)


def test_an_evaluation_logs_on_the_open_run_and_opens_none(project: Path) -> None:
    rx.autolog("transformers")
    trainer = _trainer(project / "out", save_strategy="no")
    trainer.evaluate()
    assert runs() == []
    with rx.start_run("mine"):
        trainer.evaluate()
    assert runs() == ["mine"] and len(series("eval/loss")) == 1


def test_checkpoints_are_events_and_are_kept_where_they_are_asked_for(project: Path) -> None:
    rx.autolog("transformers")
    _trainer(project / "out", save_steps=4).train()
    assert events().count(("checkpoint", None)) == 2 and artifacts() == []
    rx.autolog("transformers", models=True)
    _trainer(project / "again", save_steps=4).train()
    assert sorted(rx.sql("select step from checkpoints").step.tolist()) == [4, 8]


def test_a_training_that_fails_fails_its_run(project: Path) -> None:
    rx.autolog("transformers")
    trainer = _trainer(project / "out", save_strategy="no")
    trainer.train_dataset = [{"x": torch.ones(2), "labels": torch.zeros(1)}]
    with pytest.raises(RuntimeError, match="shapes"):
        trainer.train()
    assert statuses() == ["failed"]


def test_turning_it_off_puts_the_trainer_back(project: Path) -> None:
    before = dict(vars(transformers.Trainer))
    rx.autolog("transformers")
    assert vars(transformers.Trainer)["train"] is not before["train"]
    rx.autolog(disable=True)
    assert dict(vars(transformers.Trainer)) == before
    _trainer(project / "out", save_strategy="no", max_steps=1).train()
    assert runs() == []
