"""Who asks: tenants, told apart by their API keys, of which the gateway knows hashes only."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

KEY_PREFIX = "winnow_"
KEY_BYTES = 32

TenantName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
KeyHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class UnauthorizedError(Exception):
    """The caller gave no key, or one that is nobody's."""


class TenantConfig(BaseModel):
    """One who may ask. `key_sha256` are hashes of its keys; several, while one is replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_sha256: list[KeyHash] = Field(min_length=1)


def new_key() -> str:
    """A key of 256 random bits, to be given to a tenant and kept nowhere."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: str) -> str:
    """What the configuration holds instead of the key; no salt, as keys are random."""
    return hashlib.sha256(key.encode()).hexdigest()


class Tenants:
    """Finds the tenant of a key; None for who may see everything: the operator, and everybody
    where no key is configured. Raises ValueError when two have the same key.
    """

    def __init__(
        self, configured: Mapping[str, TenantConfig], operator: Sequence[str] = ()
    ) -> None:
        self._by_hash: dict[str, str | None] = dict.fromkeys(operator)
        for name, tenant in configured.items():
            for digest in tenant.key_sha256:
                if self._by_hash.setdefault(digest, name) != name:
                    other = self._by_hash[digest] or "the operator"
                    raise ValueError(f"{other} and {name} have the same key")

    def require_operator(self, key: str | None) -> None:
        """As `of`; raises UnauthorizedError for a tenant's key, too."""
        if self.of(key) is not None:
            raise UnauthorizedError("this is for the operator's key (`winnow key --operator`)")

    def of(self, key: str | None) -> str | None:
        """Whose key it is. Raises UnauthorizedError."""
        if not self._by_hash:
            return None
        if key is None:
            raise UnauthorizedError("this gateway asks for a key")
        try:
            return self._by_hash[hash_of(key)]
        except KeyError:
            raise UnauthorizedError("the key is nobody's here") from None
