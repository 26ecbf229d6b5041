"""What a container can be told: Docker takes text and no bytes."""

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.tasks.container import ContainerAction
from renex_jupyter.tasks.order import Container, Order


@pytest.mark.parametrize(("word", "folder"), [("a\udcff", "/inside"), ("a", "/inside/d\udcff")])
def test_bytes_that_a_container_would_get_as_another_text_are_refused(word: str, folder: str) -> None:
    order = Order("r", "store", ("echo", word), folder, container=Container("debian", "0:0"))
    with pytest.raises(RenexError, match="cannot be written as UTF-8") as caught:
        ContainerAction(order).start()
    assert caught.value.code == "invalid_argument"
