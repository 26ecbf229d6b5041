"""Where a cell runs that does not run in the kernel: as its options say."""

from __future__ import annotations

from renex_jupyter.session.cells import HERE, OwnProcess
from renex_jupyter.session.current import Session
from renex_jupyter.session.limits import Limits


def own_process(
    session: Session, executor: str | None, image: str | None, environment: str | None, limits: Limits
) -> OwnProcess:
    """Return the process of a cell: one of this environment, of another one, which is built for it, or a container.

    Raises
    ------
    RenexError : `not_found`, `docker_unavailable`, `environment_unavailable`.
    """
    if executor == "container":
        from renex_jupyter.session import containers  # Docker is needed for this only

        return containers.process_in(session, containers.find_place(session, image, environment, limits))
    if environment is None:
        return HERE
    from renex_jupyter.session.environment_builds import environment_for_run  # so are installers

    place = environment_for_run(session, environment)
    assert place.python is not None
    action = {"environment": place.environment_id}
    return OwnProcess(place.python, environment_id=place.environment_id, action=action, prepare=place.prepare)
