import { fileURLToPath } from 'node:url';
import { Skip } from '../../conformance/check.js';
import { messageOf } from '../../src/protocol/message-of.js';
import type { Check } from './check.js';
import { DERIVED_CHECKS } from './checks/derived.js';
import { IMAGE_CHECKS } from './checks/image.js';
import { ISOLATION_CHECKS } from './checks/isolation.js';
import { OBSERVING_CHECKS } from './checks/observing.js';
import { SERVING_CHECKS } from './checks/serving.js';
import { measureColdStart } from './cold-start.js';
import { createCheckContext } from './context.js';
import { ContainerEngine } from './engine.js';
import { type Options, readOptions, USAGE } from './options.js';

const CHECKS: readonly Check[] = [
  ...IMAGE_CHECKS,
  ...SERVING_CHECKS,
  ...ISOLATION_CHECKS,
  ...DERIVED_CHECKS,
  ...OBSERVING_CHECKS,
];
/** The project's folder, seen from dist/deploy/check. */
const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const UNUSABLE_STATUS = 2;

interface Images {
  readonly slim: string;
  readonly full: string;
}

async function main(args: readonly string[]): Promise<number> {
  let engine: ContainerEngine;
  let options: Options;
  let images: Images;
  try {
    options = readOptions(args);
    if (options.help) {
      say(USAGE);
      return 0;
    }
    engine = ContainerEngine.find(options.engine);
    say(`${engine.description}\n`);
    images = imagesOf(engine, options);
  } catch (error) {
    process.stderr.write(`image-check: ${messageOf(error)}\n`);
    return UNUSABLE_STATUS;
  }
  for (const image of Object.values(images)) say(`${image}: ${sizeOf(engine, image)} MB\n`);
  const failed = await runChecks(engine, images, options.only);
  if (options.coldStarts > 0) await printColdStarts(engine, images, options.coldStarts);
  return failed > 0 ? 1 : 0;
}

function imagesOf(engine: ContainerEngine, { slim, full, base, buildBase }: Options): Images {
  if (slim !== undefined && full !== undefined) return { slim, full };
  const args = {
    ...(base !== undefined && { BASE: base }),
    ...(buildBase !== undefined && { BUILD_BASE: buildBase }),
  };
  const built = { slim: 'localhost/hyperskeleton-check:slim', full: 'localhost/hyperskeleton-check:full' };
  for (const [target, tag] of Object.entries(built)) {
    say(`building ${target}\n`);
    engine.build({ folder: PROJECT, tag, target, args });
  }
  return built;
}

async function runChecks(engine: ContainerEngine, images: Images, only: string): Promise<number> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { title, run } of CHECKS.filter((check) => check.title.includes(only))) {
    const { context, clear } = createCheckContext(engine, images);
    try {
      await run(context);
      passed++;
      say(`passed  ${title}\n`);
    } catch (error) {
      if (error instanceof Skip) {
        skipped++;
        say(`skipped ${title}: ${error.message}\n`);
        continue;
      }
      failed++;
      say(`FAILED  ${title}\n        ${messageOf(error).replaceAll('\n', '\n        ')}\n`);
    } finally {
      clear();
    }
  }
  say(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed;
}

async function printColdStarts(engine: ContainerEngine, images: Images, count: number): Promise<void> {
  for (const image of Object.values(images)) {
    const { engineMs, readyMs, firstAnswerMs } = await measureColdStart(engine, images, image, count);
    say(
      `${image}, median of ${count} cold starts: ${readyMs.toFixed(0)} ms to ready, ` +
        `${firstAnswerMs.toFixed(0)} ms to the first answer (a command that does nothing: ${engineMs.toFixed(0)} ms)\n`,
    );
  }
}

function sizeOf(engine: ContainerEngine, image: string): string {
  const bytes = Number(engine.must('image', 'inspect', '--format', '{{.Size}}', image));
  return (bytes / 1e6).toFixed(0);
}

function say(text: string): void {
  process.stdout.write(text);
}

process.exitCode = await main(process.argv.slice(2));
