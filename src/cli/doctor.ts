import { existsSync, readFileSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/load.js';
import { ChildProcessEngine } from '../engines/child-process.js';
import type { EngineName, ExecEngine } from '../engines/engine.js';
import { loadUws } from '../http/load-front-end.js';
import type { ActionImage } from '../os/action-image.js';
import { environmentBlock } from '../os/environment-block.js';
import { zipOf } from '../pack/zip-of.js';
import { inheritedEntries } from '../protocol/environment.js';
import { messageOf } from '../protocol/message-of.js';
import { createResourceMemory, ResourceTable } from '../shared-memory/resource-table.js';
import { type ConfiguredCommandLine, reportUsageErrors } from './command.js';
import { type EngineRate, measureRate } from './doctor-measure.js';
import { type MeasuredScript, writeScript } from './doctor-script.js';
import { examineAction, findingLines } from './examine-action.js';

/** Its command line. */
interface DoctorLine extends Pick<ConfiguredCommandLine, 'config' | 'positionals'> {
  readonly values: { readonly json: boolean };
}

/** What the doctor is told. */
interface DoctorOptions extends Pick<Config, 'engine' | 'http' | 'actionRoot'> {
  /** How long each engine is measured, in seconds. */
  readonly seconds?: number;
  readonly write?: (text: string) => void;
}

interface Candidate {
  readonly name: EngineName;
  readonly engine?: ExecEngine;
  /** Why there is none. */
  readonly reason?: string;
  /** What a template of an action takes and where it stands; for the fork server only. */
  readonly describeTemplate?: (action: ActionImage) => string;
}

const SECONDS = 2;
const THREAD_ID = 1;

/**
 * `hyperskeleton doctor`: which engine and which HTTP front end run here and, for each that does not, why; what a template
 * costs, and what each engine gives on this machine.
 *
 * @returns the exit status: 0 when the engine and the front end that are asked for work
 */
export async function doctor(options: DoctorOptions): Promise<number> {
  const write = options.write ?? ((text: string) => process.stdout.write(text));
  write(
    `Node ${process.version} on Linux ${release()}, ${process.arch}, user ${process.getuid?.() ?? '?'}${describeSystem()}\n\n`,
  );
  const resourceTable = new ResourceTable(createResourceMemory(1), THREAD_ID);
  const { candidates, close } = await candidatesOf(resourceTable);
  const parents = [tmpdir(), ...(options.actionRoot === undefined ? [] : [options.actionRoot])];
  const script = writeScript(parents);
  try {
    for (const candidate of candidates)
      write(
        `${candidate.name.padEnd(14)} ${await describeEngine(candidate, script, options.seconds ?? SECONDS)}\n`,
      );
    if (script === undefined)
      write(`\nNothing is measured: no program can be put into ${parents.join(' or ')} and executed there\n`);
    const chosen = candidates.find(
      ({ name, engine }) => engine !== undefined && (options.engine === 'auto' || options.engine === name),
    );
    write(`\nHYPERSKELETON_ENGINE=${options.engine}: ${chosen?.name ?? 'nothing'} is used\n`);
    describeOwnAction(options.actionRoot, candidates, write);
    const serves = await examineFrontEnds(options.http, write);
    return chosen === undefined || !serves ? 1 : 0;
  } finally {
    for (const { engine } of candidates) engine?.close();
    close();
    if (script !== undefined) rmSync(script.folder, { recursive: true });
  }
}

/** Says which front end is used, and why. @returns whether the one that is asked for works */
async function examineFrontEnds(
  choice: DoctorOptions['http'],
  write: (text: string) => void,
): Promise<boolean> {
  const uws = await loadUws();
  const works = typeof uws !== 'string';
  write(`\n${'uws'.padEnd(14)} ${works ? 'works' : `no: ${uws}`}\n${'node'.padEnd(14)} works\n`);
  const used = choice === 'node' || (choice === 'auto' && !works) ? 'node' : works ? 'uws' : 'nothing';
  const note = choice === 'auto' && used === 'node' ? ', which is slower than uws' : '';
  write(`\nHYPERSKELETON_HTTP=${choice}: ${used} is used${note}\n`);
  return used !== 'nothing';
}

async function describeEngine(
  { engine, reason, describeTemplate }: Candidate,
  script: MeasuredScript | undefined,
  seconds: number,
): Promise<string> {
  if (engine === undefined) return `no: ${reason}`;
  if (script === undefined) return 'works';
  const action = imageOf(script.exec, script.folder);
  const rate = await measureRate(engine, action, seconds);
  return `works: ${describe(rate)}${describeTemplate === undefined ? '' : `; ${describeTemplate(action)}`}`;
}

async function candidatesOf(
  resourceTable: ResourceTable,
): Promise<{ candidates: readonly Candidate[]; close: () => void }> {
  const childProcess: Candidate = { name: 'child_process', engine: new ChildProcessEngine(resourceTable) };
  try {
    const { nativeCandidates } = await import('./doctor-native.js');
    const native = nativeCandidates(resourceTable);
    return { candidates: [...native.candidates, childProcess], close: native.close };
  } catch (error) {
    const reason = `the C library can't be called: ${messageOf(error)}${muslNote()}`;
    const missing = (['forkserver', 'posix_spawn'] as const).map((name) => ({ name, reason }));
    return { candidates: [...missing, childProcess], close: () => {} };
  }
}

function muslNote(): string {
  const musl = existsSync('/lib/ld-musl-x86_64.so.1') || existsSync('/lib/ld-musl-aarch64.so.1');
  return musl ? ' (this system has musl; glibc is needed)' : '';
}

/** The same of the action that lies in the action folder: it is not run. */
function describeOwnAction(
  actionRoot: string | undefined,
  candidates: readonly Candidate[],
  write: (text: string) => void,
): void {
  const template = candidates.find((candidate) => candidate.describeTemplate !== undefined)?.describeTemplate;
  if (actionRoot === undefined || template === undefined) return;
  const exec = join(actionRoot, 'exec');
  write(`${exec}: ${existsSync(exec) ? template(imageOf(exec, actionRoot)) : 'is not there'}\n`);
}

function imageOf(exec: string, folder: string): ActionImage {
  return { exec, folder, environment: inheritedEntries(environmentBlock()) };
}

function describe({ perSecond, medianMs, refused }: EngineRate): string {
  if (Number.isNaN(medianMs)) return `but none of ${refused} runs was started`;
  const note = refused === 0 ? '' : `, ${refused} refused`;
  return `${perSecond.toFixed(0)} runs/s of a small shell script in one thread, ${medianMs.toFixed(2)} ms each${note}`;
}

function describeSystem(): string {
  try {
    const seccomp = /^Seccomp:\t(\d)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return seccomp === '2' ? ', under a seccomp filter' : '';
  } catch {
    return '';
  }
}

/** `hyperskeleton doctor PATH`. @returns the exit status: 1 where the action can't be started here */
async function examinePath(path: string, config: Config, json: boolean): Promise<number> {
  let zip: Buffer;
  try {
    zip = await zipOf(path);
  } catch (error) {
    return reportUsageErrors([messageOf(error)]);
  }
  const { candidates, close } = await candidatesOf(new ResourceTable(createResourceMemory(1), THREAD_ID));
  try {
    const template = candidates.find(
      (candidate) => candidate.describeTemplate !== undefined,
    )?.describeTemplate;
    const findings = await examineAction(
      zip,
      config,
      template && ((exec, folder) => template(imageOf(exec, folder))),
    );
    const ok = findings.every((finding) => finding.ok);
    process.stdout.write(json ? `${JSON.stringify({ path, ok, findings })}\n` : findingLines(findings));
    return ok ? 0 : 1;
  } finally {
    for (const { engine } of candidates) engine?.close();
    close();
  }
}

/** `hyperskeleton doctor`. @returns the exit status */
export function doctorCommand({ config, positionals, values }: DoctorLine): Promise<number> {
  const [path] = positionals;
  const { engine, http, actionRoot } = config;
  return path === undefined ? doctor({ engine, http, actionRoot }) : examinePath(path, config, values.json);
}
