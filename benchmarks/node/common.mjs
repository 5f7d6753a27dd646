/**
 * What the clients for Node.js share: reading the order, answering it, feeding, counting. The loops are those of
 * benchmarks/clients/common.py, so that no system gets a kinder one than another.
 *
 * A client gives a system to `main`:
 *   install(order)                       creates the schema, returns {terminal_sql, left_sql}
 *   producer(order, calls)               returns {bulk(payload, jobs), submit(payload), close()}; `calls` are under way at most
 *   workers(order, tally)                starts order.consumers workers of order.claim jobs; returns {close()}
 *   fleet(order, tally)                  starts order.robots workers of order.slots jobs; returns {close(), note}
 *   committed(order)                     resolves when every end that a handler counted is committed
 */
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const STALLED_AFTER_MS = 60_000;
const UNDER_WAY = 64; // single submits at once
const LONG = 1024; // bytes of a payload from which PostgreSQL compresses it: to nothing, if it were one letter
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LATE_AFTER_MS = 100; // behind its due time, a submit is no longer begun
const ONLY_PYTHON = ["mixed", "unfit", "shared"]; // fields of orders that are given to no peer

/** Milliseconds of unix time, finer than Date.now(). */
const unixMs = () => performance.timeOrigin + performance.now();

/** What ended in this process, and how long after it was sent. */
export class Tally {
  ended = 0;
  errors = 0;
  claimMs = [];
  doneMs = [];

  /** A handler has its job. */
  entered(payload) {
    if (payload.sent !== undefined) this.claimMs.push(since(payload.sent));
  }

  /** The job's end is confirmed to the client. */
  settled(payload) {
    this.ended += 1;
    if (payload.sent !== undefined) this.doneMs.push(since(payload.sent));
  }

  /** A handler did its job, in a system that does not tell when its end is committed. */
  handled(payload) {
    this.entered(payload);
    this.ended += 1;
  }

  /** Anything went wrong, also where the library recovers. */
  failed(error) {
    this.errors += 1;
    console.error(error);
  }
}

/** Read one order from standard input, do it, print the answer, and exit. */
export async function main(system) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  // Standard output carries JSON lines alone, whatever a library prints.
  console.log = console.info = console.debug = console.warn = console.error;
  process.on("unhandledRejection", end); // a worker's, which nobody waits for
  try {
    const order = JSON.parse((await lines.next()).value);
    const foreign = ONLY_PYTHON.find((name) => order[name]);
    const serve = foreign ? undefined : ORDERS[order.do];
    if (serve) say("answer", await serve(system, order, lines));
    else say("cannot", { why: `this client does not do ${order.do}${foreign ? ` with ${foreign}` : ""}` });
    end();
  } catch (error) {
    end(error);
  }
}

/** A library's timers must not keep the program alive; what was said has to be out before it ends. */
function end(error) {
  if (error !== undefined) {
    console.error(error);
    say("error", { error: String(error) });
  }
  process.stdout.write("", () => process.exit(error === undefined ? 0 : 1));
}

const ORDERS = {
  install: (system, order) => system.install(order),
  enqueue,
  saturate,
  drain,
  work,
  submit,
};

async function enqueue(system, order) {
  const { jobs, batch = 1000 } = order;
  const producer = await system.producer(order, 1);
  const put = producer.bulk(payloadOf(order), batch);
  const began = performance.now();
  for (let done = batch; done <= jobs; done += batch) await put();
  if (jobs % batch) await producer.bulk(payloadOf(order), jobs % batch)();
  const seconds = (performance.now() - began) / 1000;
  await producer.close();
  return { jobs, seconds };
}

async function saturate(system, order) {
  const { enqueue: size, seconds, warmup = 1.5, feeders = 2, backlog = Math.max(2000, 10 * size) } = order;
  const tally = new Tally();
  let sent = 0;
  let feeding = true;
  const feed = async (put) => {
    while (feeding) {
      if (sent - tally.ended < backlog) {
        sent += size;
        await put();
      } else {
        await sleep(1);
      }
    }
  };

  const producer = await system.producer(order, feeders);
  const puts = Array.from({ length: feeders }, () => producer.bulk(payloadOf(order), size));
  for (let put = 0; put < Math.floor(backlog / size); put += 1) {
    sent += size;
    await puts[0]();
  }
  await analyze(order);
  const workers = await system.workers(order, tally);
  const feeds = puts.map(feed);
  // One that fails ends the order at once instead of after the window.
  const failure = Promise.all(feeds).then(() => new Promise(() => {}));
  await Promise.race([sleep(warmup * 1000), failure]);
  say("window");
  const window = openWindow(tally);
  await Promise.race([sleep(seconds * 1000), failure]);
  const measured = window();
  say("closed");
  feeding = false;
  await Promise.all(feeds);
  await reach(tally, sent);
  await system.committed(order);
  await Promise.all([producer.close(), workers.close()]);
  return { ...measured, ended: tally.ended, sent, errors: tally.errors };
}

/** Do what autovacuum would soon do: a plan for an empty table would last for the whole run, in a library that keeps plans. */
async function analyze({ url }) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("ANALYZE");
  await client.end();
}

async function drain(system, order) {
  const tally = new Tally();
  await analyze(order);
  say("window");
  const window = openWindow(tally);
  const workers = await system.workers(order, tally);
  await reach(tally, order.jobs);
  await system.committed(order);
  const { window_seconds, cpu_seconds } = window();
  await workers.close();
  return { seconds: window_seconds, cpu_seconds, ended: tally.ended, errors: tally.errors };
}

async function work(system, order, lines) {
  const tally = new Tally();
  const fleet = await system.fleet(order, tally);
  const window = openWindow(tally);
  say("ready");
  while ((await lines.next()).value === "count") say("count", { ended: tally.ended });
  const { cpu_seconds } = window();
  await fleet.close();
  const done = tally.doneMs.length || !tally.ended ? tally.doneMs : null;
  const { ended, errors, claimMs } = tally;
  return { ended, errors, cpu_seconds, claim_ms: claimMs, done_ms: done, note: fleet.note };
}

async function submit(system, order) {
  const { rate, seconds } = order;
  const text = payloadOf(order);
  const producer = await system.producer(order, UNDER_WAY);
  const counts = { sent: 0, late: 0, errors: 0 };
  const call = async () => {
    try {
      await producer.submit({ ...text, sent: unixMs() / 1000 });
      counts.sent += 1;
    } catch (error) {
      console.error(error);
      counts.errors += 1;
    }
  };

  say("window");
  const began = performance.now();
  if (rate === undefined) await flood(call, began + seconds * 1000);
  else await offer(call, counts, began, rate, Math.round(rate * seconds));
  const took = (performance.now() - began) / 1000;
  await producer.close();
  return { ...counts, seconds: took };
}

/** Submit as fast as calls return: each that has returned makes place for the next. */
async function flood(call, until) {
  const oneAfterAnother = async () => {
    while (performance.now() < until) await call();
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, oneAfterAnother));
}

/** Offer calls evenly: each has its due time, and is late, and left out, when it cannot be begun then. */
async function offer(call, counts, began, rate, calls) {
  const underWay = new Set();
  for (let number = 0; number < calls; number += 1) {
    const due = began + (number * 1000) / rate;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    // Far behind, there would be no other chance for the calls under way.
    else if (number % UNDER_WAY === 0) await sleep(0);
    if (underWay.size >= UNDER_WAY || performance.now() - due > LATE_AFTER_MS) {
      counts.late += 1;
      continue;
    }
    const begun = call();
    underWay.add(begun);
    begun.then(() => underWay.delete(begun));
  }
  await Promise.all(underWay);
}

/** Wait until so many jobs have ended; none for a minute is an error. */
async function reach(tally, jobs) {
  let last = tally.ended;
  let moved = performance.now();
  while (tally.ended < jobs) {
    await sleep(2);
    if (tally.ended !== last) {
      last = tally.ended;
      moved = performance.now();
    } else if (performance.now() - moved > STALLED_AFTER_MS) {
      throw new Error(`${tally.ended} of ${jobs} jobs ended, and none for ${STALLED_AFTER_MS / 1000} s`);
    }
  }
}

/** Ask until `done()` resolves to true; a minute without is an error that says `what` did not come. */
export async function eventually(done, what) {
  const giveUp = performance.now() + STALLED_AFTER_MS;
  while (!(await done())) {
    if (performance.now() > giveUp) throw new Error(`${what} did not come within ${STALLED_AFTER_MS / 1000} s`);
    await sleep(2);
  }
}

/** Begin to count; the function returned ends it. CPU time is this process's, all its threads. */
function openWindow(tally) {
  const ended = tally.ended;
  const cpu = process.cpuUsage();
  const began = performance.now();
  return () => {
    const seconds = (performance.now() - began) / 1000;
    const jobs = tally.ended - ended;
    const { user, system } = process.cpuUsage(cpu);
    return {
      rate: jobs / seconds,
      window_jobs: jobs,
      window_seconds: seconds,
      cpu_seconds: (user + system) / 1e6,
    };
  };
}

/** A payload of `payload_bytes` bytes of JSON; a long one of letters at random, the same every time. */
function payloadOf({ payload_bytes = 150 }) {
  const size = Math.max(0, payload_bytes - JSON.stringify({ text: "" }).length);
  if (size < LONG) return { text: "x".repeat(size) };
  let state = size;
  const letter = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return LETTERS[(state >>> 16) % LETTERS.length];
  };
  return { text: Array.from({ length: size }, letter).join("") };
}

function since(sent) {
  return [sent, unixMs() - sent * 1000];
}

function say(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}
