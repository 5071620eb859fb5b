import { equal, holds, matches } from '../../../conformance/check.js';
import type { Check, CheckContext } from '../check.js';

/** What node_modules of an image may take: the server needs two native libraries, and little else. */
const MAX_MODULES_KIB = 12 * 1024;
const TOOLS = 'bash curl git jq openssl perl python python3 ssh unzip wget zip'.split(' ');

function output({ run }: CheckContext, image: string, command: string): string {
  const { status, stdout, stderr } = run(image, [], 'sh', '-c', command);
  equal(`the status of ${command} (${stderr.trim()})`, status, 0);
  return stdout.trim();
}

/** What is in the images, and as whom they run. */
export const IMAGE_CHECKS: readonly Check[] = [
  {
    title: 'slim runs as a user of its own, full as root, and both can write /action',
    run: (context) => {
      const command = 'id -u; stat -c %a /action; test -x /action/exec && touch /action/new && echo yes';
      equal('slim', output(context, context.slim, command), '1001\n777\nyes');
      equal('full', output(context, context.full, command), '0\n777\nyes');
    },
  },
  {
    title: 'nothing of the development is in an image',
    run: (context) => {
      equal('dist', output(context, context.slim, 'ls /opt/hyperskeleton/dist'), 'server');
      const count = "find /opt/hyperskeleton -name '*.ts' -o -name '*.cc' -o -name '*.map' | wc -l";
      equal('sources', output(context, context.slim, count), '0');
      const size = Number(output(context, context.slim, 'du -sk /opt/hyperskeleton/node_modules | cut -f1'));
      holds('node_modules', size < MAX_MODULES_KIB, `less than ${MAX_MODULES_KIB} KiB`, size);
    },
  },
  {
    title: 'every package whose code is in the image has its licence there',
    run: (context) => {
      const folders = 'cd /opt/hyperskeleton/node_modules; for f in * @*/*; do case $f in @*/*|[!@]*)';
      const missing = `${folders} ls "$f" | grep -qi '^licen' || grep -q '"license"' "$f/package.json" || echo "$f";; esac; done`;
      equal('packages without one', output(context, context.slim, missing), '');
    },
  },
  {
    title: 'the commands of hyperskeleton work, and bench says that it is not in there',
    run: (context) => {
      matches('--version', output(context, context.slim, 'hyperskeleton --version'), /^\d+\.\d+\.\d+/);
      const invoke = 'hyperskeleton invoke /action/exec --params \'{"a":1}\' 2>/dev/null || true';
      matches('invoke', output(context, context.slim, invoke), /"error":"This is a stub action/);
      const pack = 'cd /tmp && hyperskeleton pack /action/exec -o a.json && head -c 10 a.json';
      equal('pack', output(context, context.slim, pack), '{"value":{');
      const absent = context.run(context.slim, [], 'hyperskeleton', 'bench');
      equal('the status of bench', absent.status, 2);
      matches('bench', absent.stderr, /has the server only/);
    },
  },
  {
    title: 'full has the tools of dockerskeleton, and the loader of musl',
    run: (context) => {
      const missing = `for t in ${TOOLS.join(' ')}; do command -v $t >/dev/null || echo $t; done`;
      equal('missing tools', output(context, context.full, missing), '');
      matches('musl', output(context, context.full, 'ls /lib/ld-musl-*'), /ld-musl-/);
    },
  },
];
