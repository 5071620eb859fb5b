import { spawnSync } from 'node:child_process';
import type { Presence, TargetDefinition } from './definition.js';
import { peerFile } from './peer-file.js';

/** OpenFaaS's watchdog. */
export const ofWatchdog: TargetDefinition = {
  id: 'of-watchdog',
  title: 'of-watchdog (fork per request)',
  description:
    'The watchdog of OpenFaaS in streaming mode: a process per request. It has no /init: its program is named at the start. The whole body of /run is on stdin, all of stdout is the answer; no environment, no sentinels, no check of the result.',
  protocol: 'classic',
  reference: false,
  peer: true,
  init: 'start',
  stdoutIsAnswer: true,
  // Of its metrics; without it, it panics.
  fixedPorts: [8081],
  quick: true,
  find(): Promise<Presence> {
    const program = peerFile('HYPERSKELETON_BENCH_OF_WATCHDOG', 'of-watchdog');
    if ('reason' in program) return Promise.resolve({ present: false, reason: program.reason });
    const { stderr } = spawnSync(program.path, ['--version'], { encoding: 'utf8', timeout: 5000 });
    const version = /\bVersion: (\d[\w.-]*)/.exec(stderr)?.[1];
    return Promise.resolve({
      present: true,
      command: ['mode=streaming', 'fprocess={program}', 'port={port}', 'of-watchdog'],
      ...(version === undefined ? {} : { version }),
      start: ({ port, folder, actionRoot, program: action }) => ({
        command: [program.path],
        env: {
          PATH: process.env.PATH ?? '',
          TMPDIR: folder,
          mode: 'streaming',
          fprocess: action,
          port: String(port),
          suppress_lock: 'true',
          content_type: 'application/json',
        },
        cwd: actionRoot,
      }),
    });
  },
};
