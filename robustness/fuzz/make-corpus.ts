import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { PROJECT } from '../../bench/support/paths.js';
import { type Entry, FILE, FOLDER, LINK, zipOf } from '../../conformance/support/zip.js';
import { BLOCK_BYTES, tarEntry } from './tar-blocks.js';

// Writes test/fuzz/corpus anew: `node dist/robustness/fuzz/make-corpus.js`.

/** Answers its arguments: in the classic protocol once, in ActionLoop line by line. */
const EXEC = `#!/bin/sh
case $# in
0) while read -r line; do printf '%s\\n' "$line" >&3; done ;;
*) printf '%s\\n' "$1" ;;
esac
`;
const exec: Entry = { name: 'exec', data: EXEC, mode: FILE | 0o755 };
const MIB = 2 ** 20;

const pax = (records: string): Buffer => tarEntry('PaxHeader/x', records, { type: 'x' });
const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return `${length}${rest}`;
};
const END = Buffer.alloc(2 * BLOCK_BYTES);
const tarExec = tarEntry('exec', EXEC);
const tarGz = (...blocks: Buffer[]): Buffer => gzipSync(Buffer.concat([...blocks, END]), { level: 9 });

const ZIPS: Readonly<Record<string, readonly Entry[]>> = {
  plain: [exec],
  stored: [
    { ...exec, stored: true },
    { name: 'data.txt', data: 'some data', stored: true },
  ],
  nested: [
    exec,
    { name: 'a/', mode: FOLDER | 0o755 },
    { name: 'a/b/c.txt', data: 'c' },
    { name: 'bin/tool', data: EXEC, mode: FILE | 0o755 },
  ],
  links: [
    { name: 'bin/real', data: EXEC, mode: FILE | 0o755 },
    { name: 'exec', data: 'bin/real', mode: LINK | 0o777 },
  ],
  windows: [{ ...exec, mode: 0 }],
  names: [
    exec,
    { name: 'umläut', data: '1', flags: 0x800 },
    { name: Buffer.from([0x81, 0x82]), data: '2' },
    { name: 'n'.repeat(255), data: '3' },
  ],
  modes: [exec, { name: 'none', data: '', mode: FILE }, { name: 'setuid', data: '', mode: FILE | 0o4755 }],
  empty: [],
  'many-entries': [
    exec,
    ...Array.from({ length: 100 }, (_, at) => ({ name: `f${at}`, data: '', stored: true })),
  ],
  parent: [exec, { name: '../hyperskeleton-fuzz-escaped', data: 'escaped' }],
  absolute: [exec, { name: '/tmp/hyperskeleton-fuzz-escaped', data: 'escaped' }],
  'behind-link': [
    exec,
    { name: 'out', data: '..', mode: LINK | 0o777 },
    { name: 'out/hyperskeleton-fuzz-escaped', data: 'escaped' },
  ],
  'twice-of-two-kinds': [exec, { name: 'x', data: 'file' }, { name: 'x/y', data: 'in it' }],
  device: [exec, { name: 'null', data: '', mode: 0o020666 }],
  'wrong-size': [exec, { name: 'x', data: 'x'.repeat(1000), claimedBytes: 1 }],
  'wrong-crc': [exec, { name: 'x', data: 'x', claimedCrc: 1 }],
  encrypted: [exec, { name: 'x', data: 'x', flags: 1 }],
  bomb: [
    exec,
    { name: 'zeros', deflated: deflateRawSync(Buffer.alloc(8 * MIB), { level: 9 }), claimedBytes: 8 * MIB },
  ],
};

const TARS: Readonly<Record<string, Buffer>> = {
  plain: tarGz(tarExec),
  nested: tarGz(
    tarEntry('./', '', { type: '5' }),
    tarEntry('./a/', '', { type: '5' }),
    tarEntry('./a/b.txt', 'b'),
    tarEntry('./exec', EXEC),
  ),
  links: tarGz(tarEntry('bin/real', EXEC), tarEntry('exec', '', { type: '2', linkName: 'bin/real' })),
  'hard-link': tarGz(tarEntry('bin/real', EXEC), tarEntry('exec', '', { type: '1', linkName: 'bin/real' })),
  'long-name': tarGz(
    tarExec,
    tarEntry('././@LongLink', `${'n/'.repeat(90)}f\0`, { type: 'L' }),
    tarEntry('short', 'x'),
  ),
  pax: tarGz(tarExec, pax(record('path', 'p'.repeat(120)) + record('mtime', '1.5')), tarEntry('short', 'x')),
  'pax-negative-size': tarGz(tarExec, pax(record('size', '-5')), tarEntry('x', 'x'), tarEntry('y', 'y')),
  'pax-size-text': tarGz(tarExec, pax(record('size', '1e9')), tarEntry('x', 'x')),
  'pax-long': tarGz(tarExec, pax(record('comment', 'c'.repeat(4 * MIB))), tarEntry('x', 'x')),
  'negative-size': tarGz(tarExec, tarEntry('x', 'x', { size: '-0000000005\0' })),
  'base-256-size': tarGz(tarExec, tarEntry('x', 'x', { size: '\x80\0\0\0\0\0\0\0\0\0\0\x01' })),
  sparse: tarGz(tarExec, tarEntry('sparse', 'x', { type: 'S' })),
  fifo: tarGz(tarExec, tarEntry('fifo', '', { type: '6' })),
  parent: tarGz(tarExec, tarEntry('../hyperskeleton-fuzz-escaped', 'escaped')),
  absolute: tarGz(tarExec, tarEntry('/tmp/hyperskeleton-fuzz-escaped', 'escaped')),
  'behind-link': tarGz(
    tarExec,
    tarEntry('out', '', { type: '2', linkName: '..' }),
    tarEntry('out/hyperskeleton-fuzz-escaped', 'escaped'),
  ),
  'hard-link-outside': tarGz(tarExec, tarEntry('passwd', '', { type: '1', linkName: '/etc/passwd' })),
  'no-end': gzipSync(tarExec),
  'long-end': gzipSync(Buffer.concat([tarExec, Buffer.alloc(8 * MIB)]), { level: 9 }),
  'two-members': Buffer.concat([gzipSync(tarExec), gzipSync(tarEntry('x', 'x'))]),
};

const folder = join(PROJECT, 'test/fuzz/corpus');
mkdirSync(folder, { recursive: true });
for (const [name, entries] of Object.entries(ZIPS))
  writeFileSync(join(folder, `${name}.zip`), zipOf(entries));
for (const [name, bytes] of Object.entries(TARS)) writeFileSync(join(folder, `${name}.tar.gz`), bytes);
