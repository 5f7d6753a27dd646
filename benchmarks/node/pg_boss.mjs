/**
 * pg-boss 12 through its public class.
 *
 * Settings:
 * - https://pgboss.io/api/jobs: `insert()` creates many jobs in one request, "the raw, high-volume path"; `fetch()` with
 *   `batchSize` and `complete()` with the ids take and end many. Each consumer is such a loop, also where it takes one job at
 *   a time: `work()` sleeps between two fetches of one job (its `burstWhenBatchFull` is ignored at `batchSize` 1).
 * - https://pgboss.io/api/workers for the fleet: `work()` with a `batchSize` of the robot's slots and `burstWhenBatchFull`, so
 *   that it fetches at once again while batches come full; `useListenNotify` (https://pgboss.io/api/constructor) and the
 *   queue's `notify` (https://pgboss.io/api/queues), so that a job is fetched when it is created, not at the next poll.
 * - All else as it comes, maintenance and monitoring included; programs that only enqueue run without (`supervise`, `schedule`).
 *
 * A robot of the fleet is an instance of its own, several in one process. It runs the jobs of a batch together and
 * ends them together; the library completes them after the handler without telling, so latencies until done cannot be told.
 *
 * The package names Node.js 22.12 as its oldest; it also runs on 20.20.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { PgBoss } from "pg-boss";
import { main } from "./common.mjs";

const QUEUE = "noop";
const BESIDE_WORKERS = 1; // a connection for maintenance and monitoring

async function install({ url }) {
  const boss = await open({ connectionString: url });
  await boss.createQueue(QUEUE);
  await boss.stop();
  const ended = `SELECT count(*) FROM pgboss.job WHERE name = '${QUEUE}' AND state = 'completed'`;
  return { terminal_sql: ended, left_sql: null };
}

async function producer({ url }, calls) {
  const boss = await open({ connectionString: url, max: Math.min(calls, 10), supervise: false, schedule: false });
  return {
    bulk: (data, jobs) => {
      const batch = Array.from({ length: jobs }, () => ({ data }));
      return () => boss.insert(QUEUE, batch);
    },
    submit: (data) => boss.send(QUEUE, data),
    close: () => boss.stop(),
  };
}

async function workers({ url, consumers, claim }, tally) {
  const boss = await open({ connectionString: url, max: consumers + BESIDE_WORKERS }, tally);
  let working = true;
  const consume = async () => {
    while (working) {
      const jobs = await boss.fetch(QUEUE, { batchSize: claim });
      if (jobs.length === 0) {
        await sleep(2);
        continue;
      }
      for (const { data } of jobs) tally.entered(data);
      const { affected } = await boss.complete(QUEUE, jobs.map(({ id }) => id));
      if (affected !== jobs.length) tally.failed(new Error(`${affected} of ${jobs.length} jobs were completed`));
      for (const { data } of jobs) tally.settled(data);
    }
  };
  const loops = Array.from({ length: consumers }, consume);
  return {
    close: async () => {
      working = false;
      await Promise.all(loops);
      await boss.stop();
    },
  };
}

async function fleet({ url, robots, slots }, tally) {
  const settings = { connectionString: url, max: 1 + BESIDE_WORKERS, useListenNotify: true };
  const bosses = await Promise.all(Array.from({ length: robots }, () => open(settings, tally)));
  // Before work(), which polls slowly where the queue notifies.
  await bosses[0].updateQueue(QUEUE, { notify: true });
  const handler = async (jobs) => {
    for (const { data } of jobs) tally.handled(data);
  };
  await Promise.all(bosses.map((boss) => boss.work(QUEUE, { batchSize: slots, burstWhenBatchFull: true }, handler)));
  return {
    close: () => Promise.all(bosses.map((boss) => boss.stop())),
    note: `${robots} instances in this process, each with 3 connections and batches of ${slots}`,
  };
}

async function open(settings, tally) {
  const boss = new PgBoss(settings);
  boss.on("error", (error) => (tally ? tally.failed(error) : console.error(error)));
  await boss.start();
  return boss;
}

/** An end is counted when the database has confirmed it. */
async function committed() {}

await main({ install, producer, workers, fleet, committed });
