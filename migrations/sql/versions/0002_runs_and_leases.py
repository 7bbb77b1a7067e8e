"""What is known of a generation grows; trainings, runs, leases, consumers, receipts, samples, shadows and flags."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_tables()
    _widen_generations()


def _number() -> sa.Column:
    return sa.Column("number", sa.Integer(), autoincrement=True, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _json(name: str) -> sa.Column:
    return sa.Column(name, sa.JSON(), nullable=False)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.number"], name=op.f(f"fk_{table}_{column}_{to}"))


def _make_tables() -> None:
    op.create_table(
        "training_runs",
        _number(),
        _text("state", 16),
        _text("model", 64),
        _json("config"),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=False),
        _text("path", 4096),
        _json("metrics"),
        _time("started_at"),
        _time("finished_at", nullable=True),
        _text("reason", 4096, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_training_runs")),
    )
    op.create_table(
        "publications",
        _number(),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("replaced", sa.Integer(), nullable=True),
        _text("cause", 64),
        sa.Column("token", sa.BigInteger(), nullable=True),
        _time("at"),
        _refers("publications", "generation", "generations"),
        _refers("publications", "replaced", "generations"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_publications")),
    )
    op.create_table(
        "runs",
        _number(),
        _text("job", 32),
        _text("cause", 512),
        _text("outcome", 16),
        _text("holder", 256),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=True),
        _json("plan"),
        _json("counts"),
        _json("timings"),
        _time("started_at"),
        _time("finished_at", nullable=True),
        _text("reason", 4096, nullable=True),
        _refers("runs", "generation", "generations"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_job_number"), "runs", ["job", "number"])
    op.create_table(
        "leases",
        _text("name", 64),
        _text("holder", 256, nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("ttl_s", sa.Double(), nullable=False),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "consumers",
        _text("name", 64),
        sa.Column("watermark", sa.BigInteger(), nullable=False),
        _time("at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_consumers")),
    )
    op.create_table(
        "receipts",
        _number(),
        _text("kind", 16),
        _text("subject", 1024),
        _text("state", 16),
        sa.Column("rev", sa.BigInteger(), nullable=True),
        _json("removed"),
        _text("digest", 64, nullable=True),
        _time("created_at"),
        _time("completed_at", nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_receipts")),
    )
    op.create_index(op.f("ix_receipts_kind_subject"), "receipts", ["kind", "subject"])
    op.create_table(
        "quality_samples",
        _number(),
        sa.Column("generation", sa.Integer(), nullable=False),
        _text("name", 64),
        _text("corpus", 256, nullable=True),
        sa.Column("value", sa.Double(), nullable=False),
        _json("detail"),
        _time("at"),
        _refers("quality_samples", "generation", "generations"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_quality_samples")),
    )
    op.create_index(op.f("ix_quality_samples_name_number"), "quality_samples", ["name", "number"])
    op.create_table(
        "shadows",
        _number(),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        _time("started_at"),
        _time("stopped_at", nullable=True),
        _refers("shadows", "generation", "generations"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_shadows")),
    )
    op.create_table(
        "shadow_samples",
        _number(),
        sa.Column("shadow", sa.Integer(), nullable=False),
        sa.Column("live", sa.Integer(), nullable=False),
        _text("question", 256),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.Double(), nullable=True),
        _json("live_ids"),
        _json("shadow_ids"),
        sa.Column("live_s", sa.Double(), nullable=False),
        sa.Column("shadow_s", sa.Double(), nullable=False),
        _text("error", 4096, nullable=True),
        _time("at"),
        _refers("shadow_samples", "shadow", "shadows"),
        _refers("shadow_samples", "live", "generations"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_shadow_samples")),
    )
    op.create_index(op.f("ix_shadow_samples_shadow"), "shadow_samples", ["shadow"])
    op.create_table(
        "flags",
        _text("name", 128),
        _json("value"),
        _time("at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_flags")),
    )


def _widen_generations() -> None:
    with op.batch_alter_table("generations") as batch:
        batch.add_column(_text("kind", 16, nullable=True))
        batch.add_column(sa.Column("parent", sa.Integer(), nullable=True))
        batch.add_column(_text("model", 64, nullable=True))
        batch.add_column(sa.Column("seed", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("training", sa.Integer(), nullable=True))
        batch.add_column(_time("published_at", nullable=True))
        batch.add_column(_time("retired_at", nullable=True))
        batch.add_column(sa.Column("certificate", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("files", sa.JSON(), nullable=True))
    generations = sa.table(
        "generations",
        sa.column("number", sa.Integer()),
        sa.column("state", sa.String()),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("config", sa.JSON()),
        sa.column("kind", sa.String()),
        sa.column("model", sa.String()),
        sa.column("seed", sa.BigInteger()),
        sa.column("published_at", sa.DateTime(timezone=True)),
        sa.column("retired_at", sa.DateTime(timezone=True)),
        sa.column("files", sa.JSON()),
    )
    serving = sa.table("serving", sa.column("generation", sa.Integer()), sa.column("since", sa.DateTime(timezone=True)))
    connection = op.get_bind()
    serves = connection.execute(sa.select(serving.c.generation, serving.c.since)).first()
    for row in connection.execute(sa.select(generations)).all():
        published = row.created_at if row.state == "published" else None
        connection.execute(
            generations.update()
            .where(generations.c.number == row.number)
            .values(
                kind="full",
                files={},
                model=row.config.get("model"),
                seed=row.config.get("seed"),
                published_at=published,
                retired_at=serves.since if published and serves and serves.generation != row.number else None,
            )
        )
    with op.batch_alter_table("generations") as batch:
        batch.alter_column("kind", existing_type=sa.String(length=16), nullable=False)
        batch.alter_column("files", existing_type=sa.JSON(), nullable=False)
        batch.create_foreign_key(
            op.f("fk_generations_training_training_runs"), "training_runs", ["training"], ["number"]
        )
        batch.create_foreign_key(op.f("fk_generations_parent_generations"), "generations", ["parent"], ["number"])


def downgrade() -> None:
    # The states that 0001 does not know: neither can serve there.
    op.execute(
        "UPDATE generations SET reason = 'it was ' || state, state = 'failed' WHERE state IN ('ready', 'deleted')"
    )
    with op.batch_alter_table("generations") as batch:
        batch.drop_constraint(op.f("fk_generations_parent_generations"), type_="foreignkey")
        batch.drop_constraint(op.f("fk_generations_training_training_runs"), type_="foreignkey")
        for name in (
            "files",
            "certificate",
            "retired_at",
            "published_at",
            "training",
            "seed",
            "model",
            "parent",
            "kind",
        ):
            batch.drop_column(name)
    op.drop_index(op.f("ix_shadow_samples_shadow"), "shadow_samples")
    op.drop_table("shadow_samples")
    op.drop_table("shadows")
    op.drop_index(op.f("ix_runs_job_number"), "runs")
    op.drop_table("runs")
    op.drop_index(op.f("ix_quality_samples_name_number"), "quality_samples")
    op.drop_table("quality_samples")
    op.drop_table("publications")
    op.drop_table("training_runs")
    op.drop_index(op.f("ix_receipts_kind_subject"), "receipts")
    op.drop_table("receipts")
    op.drop_table("leases")
    op.drop_table("flags")
    op.drop_table("consumers")
