"""A script without async: enqueues three invoices, waits for them, and says what came of each.

Let a robot work on them: in this folder, `casare work handlers:invoice --queue invoices`.
"""

from casare_rpa.infrastructure.queue import JobModel, PgQueuerSyncProducer, QueueConfig


def main() -> None:
    with PgQueuerSyncProducer(QueueConfig.from_env(queue_name="invoices")) as producer:
        jobs = [JobModel(workflow="invoice", payload={"amount": amount}) for amount in (100, 250, None)]
        for job_id in producer.enqueue_batch(jobs):
            job = producer.wait_for(job_id, timeout=60)
            print(f"{job.payload['amount']}: {job.status}, {job.result or job.error}")


main()
