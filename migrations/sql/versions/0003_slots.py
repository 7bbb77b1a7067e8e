"""Several generations serve side by side, each in a slot of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("generations") as batch:
        batch.add_column(sa.Column("slot", sa.String(length=64), nullable=False, server_default="live"))
    with op.batch_alter_table("generations") as batch:
        batch.alter_column("slot", existing_type=sa.String(length=64), existing_nullable=False, server_default=None)
    with op.batch_alter_table("serving") as batch:
        batch.alter_column(
            "slot", existing_type=sa.String(length=16), type_=sa.String(length=64), existing_nullable=False
        )


def downgrade() -> None:
    """What is in other slots is marked deleted, for the older engine would take it for what answers."""
    generations = sa.table("generations", sa.column("slot", sa.String()), sa.column("state", sa.String()))
    serving = sa.table("serving", sa.column("slot", sa.String()))
    op.execute(serving.delete().where(serving.c.slot != "live"))
    op.execute(generations.update().where(generations.c.slot != "live").values(state="deleted"))
    with op.batch_alter_table("serving") as batch:
        batch.alter_column(
            "slot", existing_type=sa.String(length=64), type_=sa.String(length=16), existing_nullable=False
        )
    with op.batch_alter_table("generations") as batch:
        batch.drop_column("slot")
