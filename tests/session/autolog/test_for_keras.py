"""Keras, the real one; where it is installed."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from autolog_seen import artifacts, keys, params, runs, series, statuses
from told import heard

import renex_jupyter as rx

pytest.importorskip("keras", exc_type=ImportError)
import keras  # needs a backend, too

X, Y = np.ones((8, 3), dtype="float32"), np.ones((8, 1), dtype="float32")


def _model() -> Any:
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", metrics=["mae"])
    return model


def test_a_training_of_keras_is_a_run_with_its_epochs() -> None:
    rx.autolog("keras")
    given: list[Any] = []
    with heard() as said:
        history = _model().fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0, callbacks=given)
    assert [each for each in said if "renex" in each] == [] and given == []
    assert runs() == ["Sequential"] and statuses() == ["finished"]
    for key, name in (("training/loss", "loss"), ("validation/loss", "val_loss"), ("training/mae", "mae")):
        assert series(key) == [(step, pytest.approx(value)) for step, value in enumerate(history.history[name])]
    assert params()["epochs"] == "3" and params()["loss"] == "mse" and params()["parameters"] == "4"
    assert float(params()["optimizer/learning_rate"]) == pytest.approx(0.01)


def test_batches_of_keras_are_logged_where_they_are_asked_for() -> None:
    rx.autolog("keras", every_n_steps=2)
    _model().fit(X, Y, 2, 2, 0, [keras.callbacks.TerminateOnNaN()])
    assert [step for step, _ in series("batch/loss")] == [0, 2, 4, 6]


def test_a_training_of_keras_that_fails_fails_its_run() -> None:
    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise RuntimeError("mine")

    rx.autolog("keras")
    with pytest.raises(RuntimeError, match="mine"):
        _model().fit(X, Y, verbose=0, callbacks=[Fails()])
    assert statuses() == ["failed"]


def test_a_model_of_keras_is_kept_where_that_is_asked_for_and_loading_it_logs_nothing() -> None:
    rx.autolog("keras", models=True)
    model = _model()
    model.fit(X, Y, verbose=0)
    assert artifacts() == [("model.keras", "model")]
    path = rx.download_artifact(rx.list_artifacts(kind="model").artifact_id[0])
    again = keras.saving.load_model(path)
    assert np.allclose(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert runs() == ["Sequential"]
    pickle.loads(pickle.dumps(model))
    assert "training/loss" in keys()


def test_turning_it_off_puts_the_model_back() -> None:
    before = dict(vars(keras.Model))
    rx.autolog("keras")
    assert keras.Model.fit is not before.get("fit")
    rx.autolog(disable=True)
    assert dict(vars(keras.Model)) == before
    _model().fit(X, Y, verbose=0)
    assert runs() == []
