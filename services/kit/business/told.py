"""Events of other business services, by their type: what each says, and what is done with it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection

from broker.messages import ClinicEvent
from services.kit.business.inbox import Heard
from services.kit.errors import SpondylError


class Told(BaseModel):
    """The data of an event; what is not known here is passed over."""

    model_config = ConfigDict(extra="ignore")


Doing = Callable[[Connection, str, Any, datetime], None]  # site, data, when
Types = Mapping[str, tuple[type[Told], Doing]]


def hear(types: Types, connection: Connection, heard: Heard) -> None:
    """One event; a type that is not in the table is passed over. Raises SpondylError for bad data."""
    event = heard.message
    if not isinstance(event, ClinicEvent) or event.type not in types:
        return
    model, doing = types[event.type]
    try:
        told = model.model_validate(event.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SpondylError(f"{event.type}: {where}: {first['msg']}") from None
    doing(connection, heard.site, told, event.time)
