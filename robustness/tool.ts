import { abortOnSignals, temporaryFolder } from '../bench/support/cleanup.js';
import { endEverything } from '../conformance/target/started-server.js';
import { Reference } from './check/health-watch.js';
import type { Session, Setting } from './check/session.js';
import { Findings } from './findings.js';
import { type Options, readOptions, UsageError, usageOf } from './options.js';
import { Summary, textOf, writeReport } from './summary.js';
import { buildProbes } from './support/probe.js';

/** What a tool works with. */
export interface ToolContext extends Setting {
  readonly options: Options;
  readonly summary: Summary;
  /** Whether the time is up, or somebody wants the tool to end. */
  isOver(): boolean;
  /** Whether the part of the tool was asked for. */
  wants(part: string): boolean;
  /** Adds a session's requests to the report and ends its server. */
  finish(session: Session): Promise<void>;
}

/** One of the three tools. */
export interface Tool {
  readonly name: string;
  /** What `--only` takes. */
  readonly parts: readonly string[];
  run(context: ToolContext): Promise<void>;
  /** Sends again what made a finding. */
  replay?(context: ToolContext, replay: unknown): Promise<void>;
}

/** Runs a tool from the command line to its exit status. */
export async function runTool(tool: Tool, readReplay: (path: string) => unknown): Promise<void> {
  process.exitCode = await main(tool, readReplay).catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usageOf(tool.name, tool.parts)}`);
    return 2;
  });
}

async function main(tool: Tool, readReplay: (path: string) => unknown): Promise<number> {
  const options = readOptions(process.argv.slice(2), tool.parts);
  if (options.help) {
    process.stdout.write(usageOf(tool.name, tool.parts));
    return 0;
  }
  const signal = abortOnSignals();
  process.once('exit', endEverything);
  const findings = new Findings(tool.name, options.findingsFolder, options.except);
  const reference = await Reference.start();
  const summary = new Summary();
  const probes = await buildProbes(temporaryFolder());
  const deadlineMs = performance.now() + options.minutes * 60_000;
  const context: ToolContext = {
    options,
    findings,
    reference,
    summary,
    seed: options.seed,
    probes,
    isOver: () => signal.aborted || performance.now() > deadlineMs,
    wants: (part) => options.only.length === 0 || options.only.includes(part),
    finish: async (session) => {
      summary.add(session.tally);
      await session.destroy();
    },
  };
  try {
    if (options.replay === undefined) await tool.run(context);
    else if (tool.replay === undefined)
      throw new UsageError(`${tool.name} has nothing to replay: give it the seed`);
    else await tool.replay(context, readReplay(options.replay));
  } finally {
    reference.stop();
  }
  const report = summary.report(tool.name, options.seed, findings);
  process.stdout.write(textOf(report));
  if (options.out !== undefined) writeReport(options.out, report);
  return findings.counted.length === 0 ? 0 : 1;
}
