"""Who asks: tenants, told apart by their API keys, of which the gateway knows hashes only."""

import hashlib
import secrets
from collections.abc import Mapping
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
    """Finds the tenant of a key. Raises ValueError when a hash is given to two of them."""

    def __init__(self, configured: Mapping[str, TenantConfig]) -> None:
        self._by_hash: dict[str, str] = {}
        for name, tenant in configured.items():
            for digest in tenant.key_sha256:
                if self._by_hash.setdefault(digest, name) != name:
                    raise ValueError(f"{self._by_hash[digest]} and {name} have the same key")

    def of(self, key: str | None) -> str | None:
        """Whose key it is; None where no tenant is configured, so that anybody may ask.

        Raises UnauthorizedError.
        """
        if not self._by_hash:
            return None
        if key is None:
            raise UnauthorizedError("this gateway asks for a key")
        try:
            return self._by_hash[hash_of(key)]
        except KeyError:
            raise UnauthorizedError("the key is nobody's here") from None
