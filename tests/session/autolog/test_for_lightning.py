"""PyTorch Lightning, the real one, and plain PyTorch; where they are installed."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
from autolog_seen import artifacts, events, keys, params, runs, series, statuses
from told import heard, refused

import renex_jupyter as rx
from renex_jupyter import RenexError

torch = pytest.importorskip("torch")


def _net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))


def _train(net: Any, steps: int) -> None:
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.ones(8, 3)).pow(2).sum().backward()
        optimizer.step()


def test_the_norms_of_a_watched_model_are_logged() -> None:
    net = _net()
    with rx.start_run("train"), rx.watch_model(net, every=2):
        _train(net, 5)
    assert [step for step, _ in series("gradients/all")] == [0, 2, 4]
    assert {f"gradients/{name}" for name, _ in net.named_parameters()} <= keys()
    names = [name for name, _ in net.named_parameters()]
    squares = [dict(series(f"parameters/{name}"))[2] ** 2 for name in names]
    assert dict(series("parameters/all"))[2] == pytest.approx(sum(squares) ** 0.5)


def test_the_gradients_are_those_of_the_training_and_the_training_is_the_same() -> None:
    plain, watched = _net(), _net()
    _train(plain, 4)
    with rx.start_run("train"), rx.watch_model(watched, every=1):
        _train(watched, 4)
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)
    last = {name: float(each.grad.norm()) for name, each in watched.named_parameters()}
    for name, norm in last.items():
        assert dict(series(f"gradients/{name}"))[3] == pytest.approx(norm)


def test_a_watch_that_is_stopped_leaves_no_hooks() -> None:
    net = _net()
    watch = rx.watch_model(net, every=1)
    assert "on" in repr(watch)
    watch.stop()
    watch.stop()
    assert not net._forward_pre_hooks
    assert all(not each._backward_hooks for each in net.parameters())
    assert "stopped" in repr(watch)
    _train(net, 1)
    assert runs() == []


def test_a_watched_model_is_copied_and_saved_without_us() -> None:
    net = _net()
    with rx.start_run("train"), rx.watch_model(net, every=1):
        _train(net, 1)
        copied = copy.deepcopy(net)
        saved = pickle.dumps(net)
        file = io.BytesIO()
        torch.save(net, file)
        points = len(series("gradients/all"))
        for each in (copied, pickle.loads(saved)):
            assert torch.equal(each(torch.ones(2, 3)), net.eval()(torch.ones(2, 3)))
            _train(each, 2)
        assert len(series("gradients/all")) == points
    assert b"renex" not in saved and b"renex" not in file.getvalue()


def test_evaluating_a_watched_model_logs_nothing() -> None:
    net = _net()
    with rx.start_run("train"), rx.watch_model(net, every=1):
        net.eval()
        with torch.no_grad():
            net(torch.ones(1, 3))
    assert keys() == set()


@pytest.mark.parametrize("wrong", [7, None, "net"])
def test_what_is_no_model_is_refused(wrong: object) -> None:
    with pytest.raises(RenexError) as error:
        rx.watch_model(wrong)
    assert refused(error, wrong)


@pytest.mark.parametrize("every", [0, -1, 1.5, True, None])
def test_an_every_that_is_none_is_refused(every: Any) -> None:
    with pytest.raises(RenexError) as error:
        rx.watch_model(_net(), every=every)
    assert refused(error, every)


def _model(pl: Any, fails: bool = False) -> Any:
    class Line(pl.LightningModule):
        def __init__(self, lr: float = 0.1) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            if fails and index == 2:
                raise RuntimeError("mine")
            loss = self.layer(batch[0]).pow(2).mean()
            self.log("loss", loss)
            self.log("mean_loss", loss, on_step=False, on_epoch=True)
            self.log("both", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val/loss", self.layer(batch[0]).pow(2).mean())

        def test_step(self, batch: Any, index: int) -> None:
            self.log("test/loss", self.layer(batch[0]).pow(2).mean())

        def on_train_epoch_end(self) -> None:
            self.log("late", float(self.current_epoch))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), self.hparams.lr)

    return Line()


def _data() -> Any:
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), batch_size=2)


def _trainer(pl: Any, **more: Any) -> Any:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return pl.Trainer(**{**quiet, "max_epochs": 2, "enable_checkpointing": False, **more})


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def pl(request: pytest.FixtureRequest, project: Path) -> Any:
    return pytest.importorskip(request.param)


def test_a_training_of_lightning_is_a_run_with_its_steps_epochs_and_validations(pl: Any) -> None:
    rx.autolog("lightning", every_n_steps=2)
    trainer = _trainer(pl)
    before = list(trainer.callbacks)
    with heard() as said:
        trainer.fit(_model(pl), _data(), _data())
    assert [each for each in said if "renex" in each] == []
    assert runs() == ["Line"] and statuses() == ["finished"]
    assert trainer.callbacks == before
    assert [step for step, _ in series("loss")] == [2, 4, 6, 8]
    assert [step for step, _ in series("both_step")] == [2, 4, 6, 8]
    assert [step for step, _ in series("both_epoch")] == [4, 8]
    assert [step for step, _ in series("mean_loss")] == [4, 8]
    assert [step for step, _ in series("val/loss")] == [4, 8]
    assert series("epoch") == [(4, 0.0), (8, 1.0)]
    assert series("late") == [(4, 0.0), (8, 1.0)]
    assert "both" not in keys()
    assert params()["lr"] == "0.1" and params()["max_epochs"] == "2" and params()["parameters"] == "2"
    assert events() == [("fit", "start"), ("fit", "finish")]


def test_a_test_after_the_training_logs_on_the_open_run_and_opens_none(pl: Any) -> None:
    rx.autolog("lightning")
    trainer, model = _trainer(pl), _model(pl)
    trainer.test(model, _data(), verbose=False)
    assert runs() == []
    with rx.start_run("mine"):
        trainer.fit(model, _data(), _data())
        trainer.test(model, _data(), verbose=False)
    assert runs() == ["mine"] and len(series("test/loss")) == 1


def test_a_training_of_lightning_that_fails_fails_its_run(pl: Any) -> None:
    rx.autolog("lightning")
    trainer = _trainer(pl)
    with pytest.raises(RuntimeError, match="^mine$"):  # noqa: RUF043
        trainer.fit(_model(pl, fails=True), _data())
    assert statuses() == ["failed"]
    assert not any(type(each).__name__ == "Autolog" for each in trainer.callbacks)


def test_checkpoints_of_lightning_are_events_and_hold_nothing_of_us(pl: Any, project: Path) -> None:
    rx.autolog("lightning")
    _trainer(pl, enable_checkpointing=True, default_root_dir=project).fit(_model(pl), _data(), _data())
    assert ("checkpoint", None) in events() and artifacts() == []
    found = next(project.rglob("*.ckpt"))
    assert b"renex" not in found.read_bytes()
    assert found.relative_to(project).parts[0] == "checkpoints"


def test_checkpoints_of_lightning_are_kept_where_they_are_asked_for(pl: Any, project: Path) -> None:
    rx.autolog("lightning", models=True)
    with heard() as said:
        _trainer(pl, enable_checkpointing=True, default_root_dir=project).fit(_model(pl), _data(), _data())
    assert [each for each in said if "renex" in each] == []
    assert rx.sql("select step from checkpoints").step.tolist() == [8]


def test_turning_it_off_puts_the_trainer_back(pl: Any) -> None:
    before = dict(vars(pl.Trainer))
    rx.autolog()
    assert vars(pl.Trainer)["fit"] is not before["fit"]
    rx.autolog(disable=True)
    assert [name for name, value in before.items() if vars(pl.Trainer)[name] is not value] == []
    _trainer(pl).fit(_model(pl), _data())
    assert runs() == []
