/**
 * Graphile Worker 0.18 through its library API.
 *
 * Settings:
 * - https://worker.graphile.org/docs/performance ("perfTest results"): with batching `localQueue: { size: 500 }`,
 *   `completeJobBatchDelay: 0` and `failJobBatchDelay: 0`, without it all of them off; the pool has one connection more than
 *   `concurrentJobs`. Its perfTest/graphile.config.js adds a `refetchDelay` of 10 ms, which holds only for empty fetches.
 *   Its perfTest switches off the line that is logged for each job (NO_LOG_SUCCESS).
 * - https://worker.graphile.org/docs/library/add-job: `addJobs` is the bulk API, `addJob` the single one.
 * - A fleet's robot is a runner of its own, several in one process, each with its pool and its LISTEN. The same page's
 *   "Batching" recommends for any busy worker a local queue of `concurrentJobs + 1`. The batch delay is 0, "for minimal delay".
 *
 * One worker here is one runner with consumers x claim concurrent jobs: a runner has no other way to take several at a time.
 * A handler that returns is counted before its job is deleted, which the library does behind its user's back; so the end of
 * an order waits until the table of jobs is empty, and latencies until done cannot be told.
 *
 * The package names Node.js 22.18 as its oldest; it also runs on 20.20.
 */
import pg from "pg";
import { eventually, main } from "./common.mjs";

process.env.NO_LOG_SUCCESS = "1"; // read when the library is loaded
const { Logger, makeWorkerUtils, run } = await import("graphile-worker");

const TASK = "noop";
const JOBS = "graphile_worker._private_jobs";
const logger = new Logger(() => (level, message) => {
  if (level === "error" || level === "warning") console.error(message);
});

async function install({ url }) {
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  await utils.migrate();
  await utils.release();
  return { terminal_sql: null, left_sql: `SELECT count(*) FROM ${JOBS}` };
}

async function producer({ url }, calls) {
  const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: Math.min(calls, 10), logger });
  return {
    bulk: (payload, jobs) => {
      const specs = Array.from({ length: jobs }, () => ({ identifier: TASK, payload }));
      return () => utils.addJobs(specs);
    },
    submit: (payload) => utils.addJob(TASK, payload),
    close: () => utils.release(),
  };
}

async function workers({ url, consumers, claim, local_queue }, tally) {
  const concurrentJobs = consumers * claim;
  const runner = await start(url, tally, {
    concurrentJobs,
    maxPoolSize: concurrentJobs + 1,
    ...batching(local_queue ? Math.max(500, concurrentJobs + 1) : -1),
  });
  return { close: () => runner.stop() };
}

async function fleet({ url, robots, slots, local_queue }, tally) {
  const settings = {
    concurrentJobs: slots,
    maxPoolSize: slots + 1,
    ...batching(local_queue ? slots + 1 : -1),
  };
  const runners = await Promise.all(Array.from({ length: robots }, () => start(url, tally, settings, true)));
  return {
    close: () => Promise.all(runners.map((runner) => runner.stop())),
    note: `${robots} runners in this process, each with a pool of ${slots + 1} connections`,
  };
}

/** Start a runner; `listening` waits until it hears of new jobs. */
async function start(connectionString, tally, settings, listening = false) {
  const handler = (payload) => tally.handled(payload);
  const runner = await run({
    preset: { worker: { connectionString, logger, ...settings } },
    taskList: { [TASK]: handler },
    parsedCronItems: [],
    noHandleSignals: true,
  });
  for (const event of ["job:error", "worker:getJob:error", "worker:fatalError", "pool:fatalError", "pool:listen:error"]) {
    runner.events.on(event, ({ error }) => tally.failed(error));
  }
  if (listening) await new Promise((heard) => runner.events.once("pool:listen:success", heard));
  return runner;
}

function batching(size) {
  const delay = size > 0 ? 0 : -1;
  const localQueue = size > 0 ? { size, refetchDelay: { durationMs: 10 } } : { size };
  return { localQueue, completeJobBatchDelay: delay, failJobBatchDelay: delay };
}

async function committed({ url }) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const none = async () => (await client.query(`SELECT NOT EXISTS (SELECT FROM ${JOBS}) AS none`)).rows[0].none;
  await eventually(none, "the deletion of all ended jobs");
  await client.end();
}

await main({ install, producer, workers, fleet, committed });
