import { ECHO } from './actions.js';
import { createCheckContext } from './context.js';
import type { ContainerEngine } from './engine.js';

/** Medians, in milliseconds, from the call of the engine's command on. */
interface ColdStart {
  /** Until a command that does nothing has run in the image and its container is gone: the engine's own part. */
  readonly engineMs: number;
  /** Until the server serves. */
  readonly readyMs: number;
  /** Until the first run of an uploaded action is answered. */
  readonly firstAnswerMs: number;
}

/** Starts a container so often, each time with an init and a run. */
export async function measureColdStart(
  engine: ContainerEngine,
  images: { readonly slim: string; readonly full: string },
  image: string,
  count: number,
): Promise<ColdStart> {
  const samples: Record<keyof ColdStart, number[]> = { engineMs: [], readyMs: [], firstAnswerMs: [] };
  for (let round = 0; round < count; round++) {
    const { context, clear } = createCheckContext(engine, images);
    try {
      const begunMs = performance.now();
      context.run(image, [], 'true');
      samples.engineMs.push(performance.now() - begunMs);
      const startedMs = performance.now();
      const container = await context.serve({ image });
      samples.readyMs.push(performance.now() - startedMs);
      await context.install(container, ECHO);
      await container.post('/run', { value: {} });
      samples.firstAnswerMs.push(performance.now() - startedMs);
    } finally {
      clear();
    }
  }
  return {
    engineMs: median(samples.engineMs),
    readyMs: median(samples.readyMs),
    firstAnswerMs: median(samples.firstAnswerMs),
  };
}

function median(values: number[]): number {
  return values.sort((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
}
