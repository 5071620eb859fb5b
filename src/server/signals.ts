import { forceExit } from '../os/forced-exit.js';
import type { ServerSignals } from '../os/server-signals.js';
import type { HttpServer } from './http-server.js';
import type { ServerContext } from './server-context.js';
import { shutDown } from './shutdown.js';

/** Has the signals of the process do what they are for, those too that came during the start. */
export function serveSignals(signals: ServerSignals, context: ServerContext, http: HttpServer): void {
  const { log } = context;
  let endGracePeriod: () => void = () => {};
  const hurried = new Promise<void>((resolve) => {
    endGracePeriod = resolve;
  });
  signals.serve({
    drain: () =>
      shutDown(context, http, hurried).then(
        ({ abandoned, closed }) => {
          const status = abandoned > 0 ? 1 : 0;
          if (closed) process.exit(status);
          else forceExit(status);
        },
        (error: unknown) => {
          log.logFault('the shutdown failed', error);
          forceExit(1);
        },
      ),
    endGracePeriod,
    reopenLog: () => log.reopen(),
    ignored: (signal, count) => log.warn('signal ignored', { signal, count }),
  });
}
