import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { equal, eventually, matches } from '../../../conformance/check.js';
import { freePort } from '../../../conformance/target/free-port.js';
import { ECHO } from '../actions.js';
import type { Check } from '../check.js';

const WITHIN_MS = 20_000;

/** What an operator sees from outside. */
export const OBSERVING_CHECKS: readonly Check[] = [
  {
    title: 'traces reach a collector, the own log its file, the metrics a port of their own',
    run: async ({ slim, serve, install }) => {
      let sent = '';
      const collector = createServer((request, response) => {
        request.on('data', (chunk: Buffer) => {
          sent += chunk.toString('utf8');
        });
        request.on('end', () => response.end('{}'));
      });
      collector.listen(0, '127.0.0.1');
      await once(collector, 'listening');
      try {
        const { port } = collector.address() as AddressInfo;
        const env = {
          HYPERSKELETON_TRACING: 'otel',
          HYPERSKELETON_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
          OTEL_BSP_SCHEDULE_DELAY: '100',
          HYPERSKELETON_LOG_FILE: '/tmp/own.log',
        };
        const container = await serve({ image: slim, env });
        await install(container, ECHO);
        equal('the run', (await container.post('/run', { value: {} })).status, 200);
        await eventually('its spans', WITHIN_MS, () => sent.includes('"name":"run"'));
        matches('the log', container.exec('cat', '/tmp/own.log').stdout, /"msg":"init"/);
        const top = container.exec(
          'hyperskeleton',
          'top',
          '--once',
          '--metrics-url',
          `${container.url}/metrics`,
        );
        matches('top', top.stdout, /^engine /m);
        equal('exit status', container.stop(), 0);
      } finally {
        collector.close();
      }
    },
  },
  {
    title: 'the metrics leave the port of the action for one of their own',
    run: async ({ slim, serve }) => {
      const port = await freePort();
      const container = await serve({ image: slim, env: { HYPERSKELETON_METRICS_PORT: String(port) } });
      equal('on the main port', (await container.get('/metrics')).status, 404);
      const read = `fetch('http://127.0.0.1:${port}/metrics').then((answer) => answer.text()).then(console.log)`;
      matches('on their own', container.exec('node', '-e', read).stdout, /hyperskeleton_build_info/);
    },
  },
];
