import { endAtOnce } from '../process/end-process.js';
import type { ServerSignals } from '../signals/server-signals.js';
import type { HttpServer } from './http-server.js';
import type { Service } from './service.js';
import { shutDown } from './shutdown.js';

/** Has the signals of the process do what they are for, those too that came during the start. */
export function serveSignals(signals: ServerSignals, service: Service, http: HttpServer): void {
  const { log } = service;
  let hurry: () => void = () => {};
  const hurried = new Promise<void>((resolve) => {
    hurry = resolve;
  });
  signals.serve({
    drain: () =>
      shutDown(service, http, hurried).then(
        ({ givenUp, closed }) => {
          const status = givenUp > 0 ? 1 : 0;
          if (closed) process.exit(status);
          else endAtOnce(status);
        },
        (error: unknown) => {
          log.fault('the shutdown failed', error);
          endAtOnce(1);
        },
      ),
    hurry,
    reopenLog: () => log.reopen(),
    ignored: (signal, count) => log.warn('signal ignored', { signal, count }),
  });
}
