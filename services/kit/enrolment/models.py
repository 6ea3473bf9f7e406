"""What a clinic's machine asks of the registry, and what it is answered; everything in PEM is text."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MOST_CSR: Final = 4000  # characters
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=40)]
Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z.+_-]*$", max_length=40)]
Csr = Annotated[str, Field(max_length=MOST_CSR)]
Part = Literal[
    "gateway", "bridge", "broker"
]  # whose certificate: the gateway's own, its clinic's broker's two
PARTS: Final[tuple[Part, ...]] = ("gateway", "bridge", "broker")


class Message(BaseModel):
    """Nothing unknown comes along."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """A later release may tell more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Joining(Message):
    """A machine with a code: requests for its certificates; its private keys stay where they are."""

    secret: Annotated[str, Field(min_length=16, max_length=16, repr=False)]
    requests: dict[Part, Csr]
    version: Version = ""


class Renewal(Message):
    """A machine that has a certificate: the whole is signed by the old key (``Signed``)."""

    certificate: Annotated[str, Field(max_length=MOST_CSR)]  # the gateway's, as it holds it
    requests: dict[Part, Csr]  # none: only what is new of the site and of the revocation list
    at: AwareDatetime
    version: Version = ""


class Signed(Message):
    """A ``Renewal`` as it was signed, to the byte."""

    body: Annotated[str, Field(max_length=20_000)]
    signature: Annotated[str, Field(max_length=200)]  # base64


class Member(Answer):
    """A user of the site's broker."""

    name: str
    role: Literal["gateway", "integrator"]
    devices: tuple[str, ...] = ()


class Papers(Answer):
    """What makes a machine the gateway of its site."""

    gateway: str
    site: str
    devices: tuple[str, ...]
    certificates: dict[Part, str]
    authorities: str  # whom to trust
    revoked: str  # the authorities' revocation lists
    broker: str  # address of the central broker, mqtts://host:port
    members: tuple[Member, ...]
    hosts: tuple[str, ...]  # names of the site's broker
    version: str  # the centre's
    access_public_key: str = ""
    clearance_public_key: str = ""
    bedside_key: Annotated[str, Field(repr=False)] = ""  # with the first papers alone
