import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection, requestBytes } from '../../bench/load/connection.js';
import type { ParsedResponse } from '../../bench/load/response-parser.js';
import type { Protocol } from '../../conformance/case.js';
import { Session } from '../check/session.js';
import { causeIn } from '../load/token-clients.js';
import { pick, randomFor } from '../support/random.js';
import { peakBytes, resetPeak } from '../support/subject.js';
import type { ToolContext } from '../tool.js';
import { mutatedArchive } from './archive-mutations.js';
import { readCorpus, type Seed } from './corpus.js';
import { listOf, OutsideWatch, stagingIn } from './folders.js';
import type { HttpRound } from './http.js';
import { initText, maySucceed } from './init-bodies.js';

const INIT_WITHIN_MS = 10_000;
const MIB = 2 ** 20;
const MAX_UNZIPPED_BYTES = 32 * MIB;
/** What one init may take beyond what the server held before: unpacked it is 32 MiB at most. */
const MAX_GROWTH_BYTES = 256 * MIB;
const REMOVED_WITHIN_MS = 5000;
const JSON_SHARE = 0.3;
const OWN_FILES: ReadonlySet<string> = new Set(['exec']);

/** What a file that reproduces a finding of this part holds. */
export interface StoredInit {
  readonly part: 'inits';
  readonly cell: HttpRound['cell'];
  readonly name: string;
  /** The request's body, in base64. */
  readonly body: string;
}

/** Sends mutated archives and init bodies one after the other; the action must survive what is refused. */
export async function fuzzInits(context: ToolContext, { cell, number, roundMs }: HttpRound): Promise<void> {
  const corpus = seedsFor(cell.protocol);
  const deadlineMs = performance.now() + roundMs;
  for (let at = 0; performance.now() < deadlineMs && !context.isOver(); ) {
    await onServer(context, cell, async (attack) => {
      while (performance.now() < deadlineMs && !context.isOver()) {
        const random = randomFor(context.seed, 'inits', number, at++);
        const seed = pick(random, corpus);
        const isText = random() < JSON_SHARE;
        const body = isText ? initText(random) : archiveBody(mutatedArchive(random, seed));
        if (!(await attack(isText ? 'body' : seed.name, body))) return;
      }
    });
  }
  context.summary.round(`inits ${cell.protocol} ${cell.engine}`);
}

/** Sends one stored init again. */
export async function replayInit(context: ToolContext, { cell, name, body }: StoredInit): Promise<void> {
  await onServer(context, cell, async (attack) => {
    await attack(name, Buffer.from(body, 'base64'));
  });
}

type Attack = (name: string, body: Buffer) => Promise<boolean>;

/** Starts a server, lets the caller attack it until that returns, and concludes. */
async function onServer(
  context: ToolContext,
  cell: HttpRound['cell'],
  attacks: (attack: Attack) => Promise<void>,
): Promise<void> {
  const session = await Session.start(
    context,
    {
      ...cell,
      env: { PROXY_ALLOW_REINIT: '1', HYPERSKELETON_MAX_UNZIPPED_BYTES: String(MAX_UNZIPPED_BYTES) },
    },
    { part: 'inits' },
  );
  const attacked = new AttackedFolder(context, session);
  try {
    await session.initialise();
    await session.runAlone(1);
    let isHung = false;
    await attacks(async (name, body) => {
      const goesOn = await attacked.attack(name, body);
      isHung ||= !goesOn;
      return goesOn;
    });
    // A server with an init that hangs would answer nothing of what follows, which is the same finding.
    if (!isHung) {
      await session.settle();
      await session.terminate();
    }
  } finally {
    await context.finish(session);
  }
}

/** One server and its folder, before and after each init. */
class AttackedFolder {
  readonly #context: ToolContext;
  readonly #session: Session;
  readonly #outside: OutsideWatch;

  constructor(context: ToolContext, session: Session) {
    this.#context = context;
    this.#session = session;
    this.#outside = new OutsideWatch(session.subject.folder);
  }

  /** Sends one init and judges what it did. Returns whether the server can be used further. */
  async attack(name: string, body: Buffer): Promise<boolean> {
    const session = this.#session;
    const { subject } = session;
    const stored: StoredInit = {
      part: 'inits',
      cell: { protocol: subject.protocol, engine: subject.engine },
      name,
      body: body.toString('base64'),
    };
    const report: typeof session.report = (kind, detail) => {
      this.#context.findings.add(kind, detail, { ...session.circumstances, case: name }, stored);
    };
    this.#context.summary.fault(`init ${name}`);
    const before = listOf(subject.actionRoot);
    resetPeak(subject.pid);
    const heldBytes = peakBytes(subject.pid);
    const answer = await postInit(subject.port, body);
    if (answer === 'hung') {
      report('init-hung', `${name}: no answer within ${INIT_WITHIN_MS} ms`);
      return false;
    }
    if (subject.hasEnded) return false;
    const grewBytes = peakBytes(subject.pid) - heldBytes;
    if (grewBytes > MAX_GROWTH_BYTES)
      report('memory-bound', `${name}: ${body.length} bytes took ${Math.round(grewBytes / MIB)} MiB`);
    if (answer === 'closed') {
      session.tally.unanswered('init');
      report('dropped', `${name}: the init got no answer`);
      return true;
    }
    const cause = causeIn(answer.head);
    session.tally.answered({ purpose: 'init', status: answer.status, cause });
    if (answer.status === 200 && maySucceed(subject.protocol, body) === false && name === 'body')
      report('wrong-answer', `${name}: 200 to ${body.toString('utf8', 0, 300)}`);
    if (answer.status !== 200 && !isError(answer))
      report('wrong-answer', `${name}: ${answer.status} without an error text`);
    if (cause === 'internal')
      report('unexpected-failure', `${name}: ${answer.body.toString('utf8', 0, 300)}`);
    for (const path of this.#outside.changes()) report('escaped', `${name}: ${path}`);
    for (const path of stagingIn(subject.actionRoot)) report('files-left', `${name}: ${path}`);
    if (answer.status === 200) await this.#restore(report);
    else {
      const after = await this.#settledList(before);
      if (subject.protocol === 'actionloop' ? !isPartOf(after, before) : after !== before)
        report(
          'action-lost',
          `${name}: refused with ${cause}, and the folder changed from ${before} to ${after}`,
        );
      await session.runAlone(1);
    }
    return true;
  }

  /** What is in the folder; in ActionLoop a moment later, for that of a failed start is removed with its process. */
  async #settledList(before: string): Promise<string> {
    const { actionRoot, protocol } = this.#session.subject;
    const endMs = performance.now() + REMOVED_WITHIN_MS;
    let list = listOf(actionRoot);
    while (protocol === 'actionloop' && !isPartOf(list, before) && performance.now() < endMs) {
      await delay(20);
      list = listOf(actionRoot);
    }
    return list;
  }

  /** Puts the tools' action back. */
  async #restore(report: Session['report']): Promise<void> {
    const { actionRoot, protocol } = this.#session.subject;
    if (protocol === 'classic') {
      for (const name of listOf(actionRoot)
        .split('\n')
        .map((line) => line.split(' ')[0] ?? '')) {
        const [top = ''] = name.split('/');
        if (top !== '' && !OWN_FILES.has(top))
          await rm(join(actionRoot, top), { recursive: true, force: true });
      }
    }
    await this.#session.initialise().catch((error: unknown) => {
      report(
        'action-lost',
        `after an init that succeeded: ${error instanceof Error ? error.message : error}`,
      );
    });
  }
}

/** The folder of the action before the last one may be removed at any moment; nothing may be added. */
function isPartOf(after: string, before: string): boolean {
  const lines = new Set(before.split('\n'));
  return after.split('\n').every((line) => line === '' || lines.has(line));
}

function seedsFor(protocol: Protocol): Seed[] {
  return readCorpus().filter(({ kind }) => kind === 'zip' || protocol === 'actionloop');
}

function archiveBody(archive: Buffer): Buffer {
  return Buffer.from(JSON.stringify({ value: { binary: true, code: archive.toString('base64') } }));
}

async function postInit(port: number, body: Buffer): Promise<ParsedResponse | 'hung' | 'closed'> {
  const endpoint = { host: '127.0.0.1', port, path: '/init' };
  const connection = new Connection(endpoint);
  try {
    const answer = connection.send(requestBytes(endpoint, body)).catch(() => 'closed' as const);
    return await Promise.race([answer, delay(INIT_WITHIN_MS, 'hung' as const)]);
  } finally {
    connection.close();
  }
}

function isError({ body }: ParsedResponse): boolean {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: unknown };
    return typeof error === 'string' && error !== '';
  } catch {
    return false;
  }
}
