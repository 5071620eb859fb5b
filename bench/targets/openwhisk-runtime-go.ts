import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Presence, TargetDefinition } from './definition.js';
import { peerFile } from './peer-file.js';

const execute = promisify(execFile);

/** Apache's ActionLoop proxy. */
export const openwhiskRuntimeGo: TargetDefinition = {
  id: 'openwhisk-runtime-go',
  title: 'openwhisk-runtime-go',
  description:
    "Apache OpenWhisk's ActionLoop proxy in Go, without a compiler. It has one process and no queue before it: requests at the same time race on its pipe, and it may panic.",
  protocol: 'actionloop',
  reference: false,
  peer: true,
  concurrency: 1,
  init: 'post',
  port: 8080,
  fixedPorts: [8080],
  quick: true,
  async find(): Promise<Presence> {
    const program = peerFile('HYPERSKELETON_BENCH_OPENWHISK_RUNTIME_GO', 'openwhisk-runtime-go');
    if ('reason' in program) return { present: false, reason: program.reason };
    const said = await execute(program.path, ['-version']).then(
      ({ stdout }) => stdout,
      () => '',
    );
    const version = /\bv(\d[\d.]*)/.exec(said)?.[1];
    return {
      present: true,
      command: ['openwhisk-runtime-go'],
      ...(version === undefined ? {} : { version }),
      // It unpacks into ./action.
      start: ({ folder }) => ({
        command: [program.path],
        env: { PATH: process.env.PATH ?? '', TMPDIR: folder },
        cwd: folder,
      }),
    };
  },
};
