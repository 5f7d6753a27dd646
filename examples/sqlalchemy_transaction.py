"""A job inside a transaction of SQLAlchemy's: the order is written by the ORM, the job by one SELECT in the same session."""

import asyncio
import json

from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from casare_rpa.infrastructure.queue import QueueConfig, migrate

ENQUEUE = text(
    "SELECT pgqueuer.enqueue_job('ship', CAST(:payload AS jsonb), p_queue => 'shipping', p_reference => :reference)"
)


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    number: Mapped[int] = mapped_column(primary_key=True)


def order(session: Session, number: int, *, in_stock: bool = True) -> None:
    with session.begin():
        session.add(Order(number=number))
        session.execute(ENQUEUE, {"payload": json.dumps({"order": number}), "reference": f"order-{number}"})
        if not in_stock:
            raise LookupError(f"order {number} is not in stock")


def main() -> None:
    config = QueueConfig.from_env()
    asyncio.run(migrate(config))
    engine = create_engine(config.require_url().replace("postgresql://", "postgresql+psycopg://", 1))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        order(session, 1)
        try:
            order(session, 2, in_stock=False)
        except LookupError as error:
            print(f"rolled back: {error}")
        orders = session.scalar(select(func.count()).select_from(Order))
        jobs = session.scalar(select(func.pgqueuer.queue_depth("shipping")))
        print(f"{orders} order, {jobs} job")
    engine.dispose()


main()
