"""Calibrations that were uploaded: one for each recipe of each tenant."""

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select

from workers.errors import CalibrationNotFoundError
from workers.store import codec
from workers.store.connection import Database
from workers.store.schema import calibrations


class Calibrations:
    """The uploaded calibrations of one database. Methods block; they raise as the store's.

    The tenant is "" for callers who are none. The content is what `encode_scored_set` wrote.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, tenant: str, recipe: str, content: str, created_at: float) -> None:
        """Keep this content for the recipe, in the place of what was there."""
        values = {
            "tenant": tenant,
            "recipe": recipe,
            "content": content,
            "created_at": created_at,
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(calibrations).where(_is(tenant, recipe)))
            connection.execute(insert(calibrations).values(values))

        self._database.write(work)

    def get(self, tenant: str, recipe: str) -> str | None:
        """The content kept for the recipe, None where there is none."""
        query = select(calibrations.c.content).where(_is(tenant, recipe))
        return self._database.read(lambda at: at.execute(query).scalar_one_or_none())

    def listed(self, tenant: str) -> dict[str, str]:
        """All contents of a tenant by recipe."""
        columns = calibrations.c.recipe, calibrations.c.content
        query = select(*columns).where(calibrations.c.tenant == tenant)
        found = self._database.read(lambda at: at.execute(query.order_by(columns[0])).all())
        return {recipe: content for recipe, content in found}

    def remove(self, tenant: str, recipe: str) -> None:
        """Forget what is kept for the recipe. Raises CalibrationNotFoundError."""
        missing = CalibrationNotFoundError(f"no calibration was uploaded for {recipe!r}")
        if codec.storable(recipe) != recipe:
            raise missing

        gone = 0

        def work(connection: Connection) -> None:
            nonlocal gone  # what is committed and went unheard is done again
            gone += connection.execute(delete(calibrations).where(_is(tenant, recipe))).rowcount
            if not gone:
                raise missing

        self._database.write(work)


def _is(tenant: str, recipe: str) -> ColumnElement[bool]:
    return and_(calibrations.c.tenant == tenant, calibrations.c.recipe == recipe)
