import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EngineFixture, type EngineRun, type RunInput } from '../support/run-engine.js';
import { buildProgram, isHere } from './build.js';

/** How often each is run with each engine: 50, or what HYPERSKELETON_ZOO_RUNS says (1000 is the full proof). */
const RUNS = Number(process.env.HYPERSKELETON_ZOO_RUNS ?? 50);
const FULL_RUNS = 1000;
const TIMEOUT_MS = 60_000 + RUNS * 2000;

interface Inhabitant {
  readonly name: string;
  readonly program?: () => Promise<string | undefined>;
  readonly script?: string;
  /** What a script needs to be here. */
  readonly needs?: string;
  /** What arguments may hold besides a number. */
  readonly ways?: readonly string[];
  /** Takes so long that it is run less often, short of the full proof. */
  readonly slow?: boolean;
}

const c = (name: string, flags: readonly string[], ways?: readonly string[]): Omit<Inhabitant, 'name'> => ({
  program: () => buildProgram(name, flags),
  ...(ways !== undefined && { ways }),
});
const SERVICES = ['quick', 'twice', 'none'];
const DEATHS = ['segv', 'abort', 'term', 'kill', 'pipe', 'fpe', 'overflow', 'none'];

const ZOO: readonly Inhabitant[] = [
  { name: 'static C', ...c('common.c', ['-static']) },
  { name: 'dynamic C', ...c('common.c', []) },
  { name: 'static position-independent C', ...c('common.c', ['-static-pie', '-fPIE']) },
  { name: 'dynamic C at a fixed address', ...c('common.c', ['-no-pie']) },
  { name: 'dynamic C, bound at start', ...c('common.c', ['-Wl,-z,now']) },
  { name: 'facts, static', ...c('facts.c', ['-static']) },
  { name: 'facts, dynamic', ...c('facts.c', []) },
  { name: 'facts, cloned at the very begin', ...c('facts.c', ['-DEARLY']) },
  { name: 'services, static', ...c('services.c', ['-static', '-DSTATIC'], SERVICES) },
  { name: 'services, dynamic', ...c('services.c', [], SERVICES) },
  { name: 'threads, static', ...c('threads.c', ['-static']) },
  { name: 'threads, dynamic', ...c('threads.c', []) },
  { name: 'processes, static', ...c('processes.c', ['-static'], ['exec', 'stay']) },
  { name: 'processes, dynamic', ...c('processes.c', [], ['exec', 'stay']) },
  { name: 'signals, static', ...c('signals.c', ['-static'], DEATHS) },
  { name: 'signals, dynamic', ...c('signals.c', ['-fstack-protector-all'], [...DEATHS, 'smash']) },
  { name: 'memory, static', slow: true, ...c('memory.c', ['-static']) },
  { name: 'memory, dynamic', slow: true, ...c('memory.c', ['-fstack-protector-all']) },
  { name: 'C++, dynamic', slow: true, ...c('plusplus.cc', [], ['terminate', 'stay']) },
  { name: 'C++, static', slow: true, ...c('plusplus.cc', ['-static'], ['terminate', 'stay']) },
  { name: 'Go', program: () => buildProgram('program.go') },
  { name: 'Rust', program: () => buildProgram('program.rs') },
  {
    name: 'dash',
    needs: 'dash',
    script: `#!/usr/bin/dash
read -r line; echo "$0" | sed 's,.*/,,'; echo "$# \${#1} $line"; echo "$__OW_ACTIVATION_ID $GREETING $(pwd | wc -c)"
trap 'echo trapped; exit 5' TERM; (exit 3); echo "subshell $?"; echo one | while read -r word; do echo "$word"; done
umask; ulimit -Sa; (umask 027; echo "$1" > made); trap; [ "$PPID" -gt 1 ] && echo parent; sleep 0.01 & wait; kill -TERM $$
`,
  },
  {
    name: 'bash',
    needs: 'bash',
    script: `#!/bin/bash
read -r line; declare -A map=([a]=1 [b]=2); echo "\${map[b]} $line \${BASH_SOURCE##*/} $((BASHPID == $$))"
printf '%s\\n' "\${!__OW_@}"; echo $((2 ** 20)); cat <(echo substituted); coproc cat; echo x >&"\${COPROC[1]}"
read -r back <&"\${COPROC[0]}"; echo "$back"; exec {COPROC[1]}>&-; wait; umask -S; ulimit -Sa; ulimit -Ha; trap -p; shopt login_shell; set -o | grep monitor; echo "$-" > made; env | grep -c __OW_; set -o pipefail; false | true; echo $?; [[ $1 =~ [0-9]+ ]]; exit $((\${BASH_REMATCH[0]} % 5))
`,
  },
  {
    name: 'perl',
    needs: 'perl',
    script: `#!/usr/bin/perl
use strict; use POSIX; $0 =~ m{([^/]*)$}; print "$1 @ARGV\\n"; print "$ENV{__OW_ACTIVATION_ID} ", scalar(keys %ENV), "\\n";
my @lines = <STDIN>; print "lines ", scalar(@lines), "\\n"; my $pid = fork(); if (!$pid) { POSIX::_exit(4) } waitpid($pid, 0);
print "child ", $? >> 8, "\\n"; print \`echo from sh\`; local $SIG{ALRM} = sub { print "alarm\\n" }; POSIX::raise(POSIX::SIGALRM());
printf "%o %d %d\\n", umask, getpgrp() == $$, getppid() > 1; print join(",", grep { defined $SIG{$_} && $SIG{$_} ne "" } sort keys %SIG), "\\n";
open(my $made, ">", "made") or die; print $made "@ARGV"; close $made; mkdir "folder", 0751; rmdir "folder"; $0 = "title"; print qx(cat /proc/$$/comm); srand(5); print int(rand(1000)), "\\n"; eval { die "caught\\n" }; print $@; exit 6;
`,
  },
  {
    name: 'python3',
    needs: '/usr/bin/python3',
    slow: true,
    script: `#!/usr/bin/python3
import sys, os, json, threading, subprocess, signal, random
print(len(sys.argv), sys.argv[1:], sys.stdin.read()); print(os.environ['__OW_ACTIVATION_ID'], os.getpid() == os.getpgrp())
results = []; thread = threading.Thread(target=lambda: results.append(threading.get_native_id() != os.getpid())); thread.start(); thread.join()
print(results, threading.get_native_id() == os.getpid()); print(subprocess.run(['sh', '-c', 'echo sub; exit 2'], capture_output=True))
import resource, locale; print([resource.getrlimit(which) for which in range(16)], oct(os.umask(0o22)), sorted(os.sched_getaffinity(0)), os.nice(0), locale.setlocale(locale.LC_ALL, ''))
print({number: signal.getsignal(number) for number in (1, 2, 13, 15, 17, 25)}, signal.pthread_sigmask(signal.SIG_BLOCK, []), sorted(os.listdir('/proc/self/fd'))[:3], os.path.basename(sys.argv[0]))
with open('made', 'w') as made: made.write(sys.argv[1])
random.seed(4); print(random.random(), random.SystemRandom().random() < 1, sorted(json.loads(sys.argv[1]).items()))
signal.signal(signal.SIGUSR1, lambda *_: print('signal')); os.kill(os.getpid(), signal.SIGUSR1)
print(sorted(name for name in os.environ if name.startswith('__OW'))); sys.exit(len(sys.argv[1]) % 4)
`,
  },
  {
    name: 'node',
    needs: 'node',
    slow: true,
    script: `#!${process.execPath}
const { execFileSync } = require('node:child_process'); const { Worker } = require('node:worker_threads');
console.log(process.argv.length, process.argv[2], process.env.__OW_ACTIVATION_ID, process.title);
console.log(require('node:fs').readFileSync(0, 'utf8')); console.log(String(execFileSync('sh', ['-c', 'echo sub'])));
console.log(process.umask(), process.getgroups(), process.cwd() === __dirname, process.execArgv, require('node:os').getPriority(), process.stdin.isTTY, process.stdout.isTTY);
require('node:fs').writeFileSync('made', process.argv[2], { mode: 0o640 }); process.title = 'short'; console.log(process.title);
new Worker('require("node:worker_threads").parentPort.postMessage(6*7)', { eval: true }).on('message', (x) => { console.log(x); process.exitCode = 3; });
`,
  },
  {
    name: 'a script of a script',
    script: `#!/usr/bin/env -S sh -e
echo "$# $1"; false; echo never
`,
  },
];

/** A run's input; of different lengths, so that strings take each other's places. */
function inputOf(number: number, ways: readonly string[]): RunInput {
  const way = ways[number % ways.length] ?? '';
  const filler = 'x'.repeat((number * 131) % 700);
  return {
    argument: `{"way":"${way}","filler":"${filler}","number":${number}}`,
    variables: {
      __OW_ACTIVATION_ID: `id-${'y'.repeat(number % 40)}-${number}`,
      __OW_DEADLINE: String(1_700_000_000_000 + number),
      __OW_EMPTY: '',
    },
  };
}

/** What a run may show of its engine: nothing. */
function comparable(run: EngineRun, rig: EngineFixture): unknown {
  // A panic of Rust names its thread so.
  const hide = (text: string): string =>
    text.replaceAll(rig.folder, 'FOLDER').replaceAll(`(${run.pid})`, '(PID)');
  return { outcome: run.outcome, stdout: hide(run.stdout), stderr: hide(run.stderr), exit: run.exit };
}

/** The files that a run has left in the action folder: taken away, so that the next run begins without them. */
function effectsOf(rig: EngineFixture): unknown[] {
  const names = readdirSync(rig.root).filter((name) => name !== 'exec');
  return names.sort().map((name) => {
    const path = join(rig.root, name);
    const { mode, uid, gid } = statSync(path);
    const content = readFileSync(path, 'latin1');
    rmSync(path);
    return { name, mode, uid, gid, content };
  });
}

describe('the same under posix_spawn and forkserver', () => {
  it.each(ZOO)('$name', { timeout: TIMEOUT_MS }, async (inhabitant) => {
    const program = await inhabitant.program?.();
    if (inhabitant.program !== undefined && program === undefined) return;
    if (inhabitant.needs !== undefined && !(await isHere(inhabitant.needs))) return;
    const environment = { GREETING: 'grüße', HOME: '/nowhere', LANG: 'C.UTF-8' };
    const spawned = new EngineFixture('posix_spawn');
    const cloned = new EngineFixture('forkserver');
    try {
      for (const rig of [spawned, cloned]) {
        if (program !== undefined) rig.installProgram(program, environment);
        else rig.installScript(inhabitant.script ?? '', environment);
      }
      const runs = inhabitant.slow === true && RUNS < FULL_RUNS ? Math.ceil(RUNS / 5) : RUNS;
      for (let number = 0; number < runs; number++) {
        const input = inputOf(number, inhabitant.ways ?? ['']);
        const [wanted, found] = await Promise.all([spawned.run(input), cloned.run(input)]);
        expect(comparable(found, cloned)).toEqual(comparable(wanted, spawned));
        expect(wanted.outcome).toBe('started');
        expect(effectsOf(cloned)).toEqual(effectsOf(spawned));
      }
      expect(cloned.stats.counters.clonesStarted).toBe(runs);
    } finally {
      await spawned.close();
      await cloned.close();
    }
  });
});
